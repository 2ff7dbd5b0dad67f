"""The figures of chunks as panels over one time axis, each with lines, bands, points and limits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from production.monitoring.report import ChunkReport, Figure, figure_words, minute_words

LINE, BAND, POINTS, LIMIT = "line", "band", "points", "limit"
Read = Callable[[ChunkReport], Figure | None]
# Metrics and their titles.
_METRICS = {
    "recall": "recall",
    "precision": "precision",
    "cost": "cost per row",
    "prevalence": "share of faults",
}


@dataclass(frozen=True, kw_only=True)
class Series:
    """A series of one panel.

    Attributes:
        name: Its name in the legend.
        form: `line`, `band`, `points` with intervals, or `limit`, a dashed line.
        x: Times; for a line and points the middles of the chunks, for a limit beginnings and ends.
        y: Values; None breaks the line.
        lower: Lower limits of points and bands.
        upper: Upper limits.
        texts: What is said of each value.
    """

    name: str
    form: str
    x: list[str]
    y: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    texts: list[str]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel of the page.

    Attributes:
        title: What it shows.
        is_logarithmic: Whether its axis is logarithmic.
        has_zero: Whether its axis begins at zero.
        series: Its series, the lowest first.
    """

    title: str
    is_logarithmic: bool = False
    has_zero: bool = True
    series: list[Series]

    def to_json(self) -> dict[str, Any]:
        """Returns the panel as JSON values."""
        return asdict(self)


def make_panels(
    reports: Sequence[ChunkReport],
    gate: Mapping[int, Mapping[str, Figure]],
    *,
    unit: str,
) -> list[Panel]:
    """Returns the panels that have values.

    Args:
        reports: The reports of the chunks, oldest first.
        gate: Version to what its gate measured.
        unit: Unit of the cost.
    """
    latency = [
        *_line(reports, "p99", _operation("p99_ms")),
        *_line(reports, "p50", _operation("p50_ms")),
    ]
    errors = _line(reports, "failed requests", _operation("error_share"))
    panels = [
        Panel(
            title="alarm rate of the model",
            series=_with_band(reports, "alarms per row", _estimated("alarm_rate")),
        ),
        Panel(
            title="evidence of drift",
            is_logarithmic=True,
            has_zero=False,
            series=[*_line(reports, "evidence", _drift("evidence")), *_limit(reports)],
        ),
        *_metric_panels(reports, gate, unit),
        Panel(title="latency, ms", series=latency),
        Panel(title="share of failed requests", series=errors),
    ]
    return [panel for panel in panels if any(_has_values(one) for one in panel.series)]


def _metric_panels(
    reports: Sequence[ChunkReport], gate: Mapping[int, Mapping[str, Figure]], unit: str
) -> Iterator[Panel]:
    for metric, title in _METRICS.items():
        series = [
            *_with_band(reports, "estimated", _estimated(metric)),
            *_points(reports, "measured with labels", _measured(metric)),
        ]
        if series:
            series += _promises(reports, gate, metric)
        words = f"{title}, {unit}" if metric == "cost" and unit else title
        has_zero = metric not in {"recall", "precision"}
        yield Panel(title=words, has_zero=has_zero, series=series)


def middle(report: ChunkReport) -> datetime:
    """Returns the middle of a chunk."""
    return report.since + (report.until - report.since) / 2


def _estimated(metric: str) -> Read:
    return lambda report: None if report.estimated is None else report.estimated.get(metric)


def _measured(metric: str) -> Read:
    return lambda report: None if report.measured is None else report.measured.get(metric)


def _drift(name: str) -> Read:
    return lambda report: None if report.drift is None else (report.drift[name], None, None)


def _operation(name: str) -> Read:
    return lambda report: (report.operations.get(name), None, None)


def _series(name: str, form: str, pairs: Sequence[tuple[ChunkReport, Figure | None]]) -> Series:
    figures = [figure or (None, None, None) for _, figure in pairs]
    return Series(
        name=name,
        form=form,
        x=[middle(report).isoformat() for report, _ in pairs],
        y=[figure[0] for figure in figures],
        lower=[figure[1] for figure in figures],
        upper=[figure[2] for figure in figures],
        texts=[_text(report, figure) for (report, _), figure in zip(pairs, figures, strict=True)],
    )


def _line(reports: Sequence[ChunkReport], name: str, read: Read) -> list[Series]:
    series = _series(name, LINE, [(report, read(report)) for report in reports])
    return [series] if _has_values(series) else []


def _points(reports: Sequence[ChunkReport], name: str, read: Read) -> list[Series]:
    pairs = [(report, read(report)) for report in reports]
    series = _series(name, POINTS, [(report, f) for report, f in pairs if f and f[0] is not None])
    return [series] if _has_values(series) else []


def _with_band(reports: Sequence[ChunkReport], name: str, read: Read) -> list[Series]:
    """A line, and below it a band for each stretch of chunks that have an interval."""
    bands, stretch = [], []
    for report in [*reports, None]:
        figure = None if report is None else read(report)
        if report is not None and figure is not None and None not in figure[1:]:
            stretch.append((report, figure))
        elif stretch:
            bands.append(_series(f"{name}: interval", BAND, stretch))
            stretch = []
    return [*bands, *_line(reports, name, read)]


def _limit(reports: Sequence[ChunkReport]) -> list[Series]:
    steps = [(r, r.drift["limit"]) for r in reports if r.drift is not None]
    return _steps("limit", steps)


def _promises(
    reports: Sequence[ChunkReport], gate: Mapping[int, Mapping[str, Figure]], metric: str
) -> list[Series]:
    steps = [
        (report, figure[0])
        for report in reports
        if (figure := gate.get(report.version, {}).get(metric)) is not None
        and figure[0] is not None
    ]
    return _steps("measured by the gate", steps)


def _steps(name: str, steps: Sequence[tuple[ChunkReport, float]]) -> list[Series]:
    if not steps:
        return []
    x = [time.isoformat() for report, _ in steps for time in (report.since, report.until)]
    y: list[float | None] = [value for _, value in steps for _ in range(2)]
    nothing: list[float | None] = [None] * len(x)
    texts = [""] * len(x)
    return [Series(name=name, form=LIMIT, x=x, y=y, lower=nothing, upper=nothing, texts=texts)]


def _text(report: ChunkReport, figure: Figure) -> str:
    shown = figure_words(figure, ".4g") or "-"
    return (
        f"{shown}, chunk {report.number}, {minute_words(report.since)} to "
        f"{minute_words(report.until)}, version {report.version}, {report.num_rows:,} rows"
    )


def _has_values(series: Series) -> bool:
    return any(value is not None for value in series.y)
