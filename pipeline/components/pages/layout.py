r"""Renders a page: one HTML file that needs no network and shares plotly.js with the others.

A step renders the page that its artifact holds. The run, version, data and commit are only known
when the run has ended, so the page has marks that `pipeline.publishing` replaces. Escaped text
cannot contain a mark: Jinja writes `<` as `&lt;` in HTML and as `\u003c` in JSON.
"""

import math
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

# Replaced by the way from the page's folder to that of all reports, such as `../../`.
ROOT_MARK = "<!-- root -->"
# Replaced by what names the run, its data and its code.
STAMP_MARK = "<!-- stamp -->"
# Replaced by the versions before this one, and by what the model was made from.
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
    # The order of a mapping has a meaning, such as that of columns.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.globals |= {
        "ROOT": ROOT_MARK,
        "STAMP": STAMP_MARK,
        "HISTORY": HISTORY_MARK,
        "isfinite": math.isfinite,
    }
    return environment.get_template(template).render(**values)


def finite_or_none(value: float) -> float | None:
    """Returns the number, or None where it is not finite: JSON has no word for that."""
    return float(value) if math.isfinite(value) else None


def with_unit(name: str, unit: str) -> str:
    """Returns the name of a column as an axis shows it.

    >>> with_unit("voltage", "V"), with_unit("maker", "")
    ('voltage, V', 'maker')
    """
    return f"{name}, {unit}" if unit else name
