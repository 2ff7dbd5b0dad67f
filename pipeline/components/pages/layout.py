r"""Renders a page: one HTML file that needs no network and shares plotly.js with the others.

A step renders the page that its artifact holds. The run, version, data and commit are only known
when the run has ended, so the page has marks that `pipeline.publishing` replaces. Escaped text
cannot contain a mark: Jinja writes `<` as `&lt;` in HTML and as `\u003c` in JSON.
"""

import math
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from models.features import Feature, Time

# Replaced by the relative path from the page to the folder of reports, such as `../../`.
ROOT_MARK = "<!-- root -->"
# Replaced by the run's stamp.
STAMP_MARK = "<!-- stamp -->"
# Replaced by the history of versions and the lineage.
HISTORY_MARK = "<!-- history -->"

_PACKAGE = "pipeline.components.pages"


def render(package: str, template: str, **values: Any) -> str:
    """Returns a template as HTML, escaped; names without a value are errors.

    Args:
        package: Dotted name of the package with the folder `templates`.
        template: File name of the template; it may extend `page.html.j2`.
        values: What the template shows.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
    )
    # The order of a mapping carries meaning, such as that of columns.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.globals |= {
        "ROOT": ROOT_MARK,
        "STAMP": STAMP_MARK,
        "HISTORY": HISTORY_MARK,
        "isfinite": math.isfinite,
    }
    return environment.get_template(template).render(**values)


def finite_or_none(value: float) -> float | None:
    """Returns the number, or None where it is not finite: JSON cannot represent it."""
    return float(value) if math.isfinite(value) else None


def with_unit(name: str, unit: str) -> str:
    """Returns a column's name with its unit, for an axis.

    >>> with_unit("voltage", "V"), with_unit("maker", "")
    ('voltage, V', 'maker')
    """
    return f"{name}, {unit}" if unit else name


def titled(name: str, feature: Feature | None) -> str:
    """Returns a column's name with the unit that the features table gives it."""
    return with_unit(name, unit_of(feature))


def unit_of(feature: Feature | None) -> str:
    """Returns the unit of a feature, or "" where it has none."""
    return str(getattr(feature, "unit", ""))


def value_text(value: object, feature: Feature | None) -> str:
    """Returns a value for a table; a point in time as a date.

    >>> value_text(0, Time()), value_text(2.5, None), value_text(None, None)
    ('1970-01-01 00:00:00', '2.5', '-')
    """
    if value is None:
        return "-"
    if isinstance(feature, Time) and isinstance(value, int | float) and math.isfinite(value):
        return date_text(float(value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def date_text(seconds_since_epoch: float) -> str:
    """Returns a time as a date in UTC, or a number outside the calendar as it is.

    >>> date_text(1_795_724_572)
    '2026-11-26 20:22:52'
    """
    try:
        moment = datetime.fromtimestamp(seconds_since_epoch, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds_since_epoch:.6g}"
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def seconds(num_samples: int, rate_hz: float) -> list[float]:
    """Returns the time of each sample of a recording, in seconds from the first.

    >>> seconds(3, 500.0)
    [0.0, 0.002, 0.004]
    """
    return [round(number / rate_hz, 6) for number in range(num_samples)]
