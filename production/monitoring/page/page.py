"""Writes `reports/monitor-NAME.html` and `monitor-NAME.json` from the files of the monitor."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import OutputFolder, replace_file
from pipeline.components.pages.layout import render
from pipeline.config import Config
from pipeline.publishing.publish import publish_alone
from production.monitoring.alarms.book import AlarmBook, AlarmState
from production.monitoring.alarms.messages import loss_words
from production.monitoring.page.events import (
    Event,
    alarm_events,
    retraining_events,
    rollout_events,
    version_events,
)
from production.monitoring.page.panels import make_panels
from production.monitoring.performance.prices import prices_of, promised_figures
from production.monitoring.reference.stored import ReferenceFiles, read_judged
from production.monitoring.report import (
    ChunkReport,
    Figure,
    figure_words,
    minute_words,
    read_sound_reports,
)
from production.rollout.journal import Journal

_PACKAGE = "production.monitoring.page"
_NUM_CHUNKS, _NUM_EVENTS = 40, 60
_NUM_DRAWN = 1000  # chunks in the figures, which would otherwise grow for ever


@dataclass(frozen=True, kw_only=True)
class Production:
    """What is known of a model in production.

    Attributes:
        model: Its name.
        reports: Reports of its chunks, oldest first.
        alarms: Its alarms, oldest first.
        events: What happened, oldest first.
        problems: A sentence for each damaged line of the reports; those chunks are left out.
        gate: Version to what its gate measured.
        unit: Unit of the cost.
    """

    model: str
    reports: Sequence[ChunkReport]
    alarms: Sequence[AlarmState]
    events: Sequence[Event]
    problems: Sequence[str] = ()
    gate: Mapping[int, Mapping[str, Figure]] = field(default_factory=dict)
    unit: str

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            "model": self.model,
            "unit": self.unit,
            "chunks": [report.to_json() for report in self.reports],
            "problems": list(self.problems),
            "alarms": [state.to_json() for state in self.alarms],
            "events": [event.to_json() for event in self.events],
            "gate": {str(version): dict(figures) for version, figures in self.gate.items()},
        }


def update_page(config: Config, folder: OutputFolder, model: str) -> Path:
    """Writes the page of a model as its files are now; returns its path.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the model.

    Raises:
        InputError: A journal cannot be read, or the page cannot be written.
    """
    prices, place = prices_of(config), folder.monitoring(model)
    production = read_production(folder, model, unit=prices.unit)
    gate = {}
    for version in sorted({report.version for report in production.reports}):
        judged = read_judged(ReferenceFiles(folder=place, version=version))
        if judged is not None:
            gate[version] = promised_figures(judged, prices)
    try:
        return write_page(replace(production, gate=gate), folder.reports)
    except OSError as error:
        raise InputError(
            f"Cannot write the page of {model} into {folder.reports}: {error.strerror or error}. "
            "Free some disk space or allow this account to write there. The next new chunk writes "
            "the page again."
        ) from error


def read_production(folder: OutputFolder, model: str, *, unit: str = "") -> Production:
    """Reads what is known of a model in production, except what its gate measured.

    Args:
        folder: The output folder.
        model: Name of the model.
        unit: Unit of the cost.

    Raises:
        InputError: A journal cannot be read.
    """
    place = folder.monitoring(model)
    (reports, problems), alarms = read_sound_reports(place), AlarmBook(place).states()
    events = [
        *version_events(reports),
        *alarm_events(alarms, reports),
        *rollout_events(Journal(folder.rollouts(model)).read()),
        *retraining_events(folder.retraining(model) / "journal.jsonl"),
    ]
    return Production(
        model=model,
        reports=reports,
        alarms=alarms,
        events=sorted(events, key=lambda event: event.time),
        problems=problems,
        unit=unit,
    )


def write_page(production: Production, reports: Path) -> Path:
    """Writes the page, and its figures as JSON beside it; returns the page's path.

    Both are for their owner only, since they quote what clients send.

    Args:
        production: What is known of the model.
        reports: Folder of reports, whose index then lists the page.
    """
    reports.mkdir(parents=True, exist_ok=True)
    name = f"monitor-{production.model}"
    text = json.dumps(production.to_json(), indent=1, default=str) + "\n"
    replace_file(reports / f"{name}.json", text.encode(), mode=0o600)
    path = reports / f"{name}.html"
    publish_alone(render_page(production), path, mode=0o600)
    return path


def render_page(production: Production) -> str:
    """Returns the page as HTML."""
    reports = production.reports
    drawn = reports[-_NUM_DRAWN:]
    panels = make_panels(drawn, production.gate, unit=production.unit)
    return render(
        _PACKAGE,
        "monitor.html.j2",
        model=production.model,
        unit=production.unit,
        problems=production.problems,
        last=reports[-1] if reports else None,
        num_chunks=len(reports),
        num_drawn=len(drawn),
        open_alarms=[state for state in reversed(production.alarms) if state.is_open],
        closed_alarms=[state for state in reversed(production.alarms) if not state.is_open],
        chunks=list(reversed(reports))[:_NUM_CHUNKS],
        events=list(reversed(production.events))[:_NUM_EVENTS],
        plots=bool(panels),
        figure=_figure,
        loss=lambda loss: loss_words(loss) if loss else "unknown",
        minute=minute_words,
        data={
            "panels": [panel.to_json() for panel in panels],
            "events": [
                event.to_json()
                for event in production.events
                if drawn and event.time >= drawn[0].since
            ],
            "broken": [_span(report) for report in drawn if report.is_broken],
            "range": [drawn[0].since.isoformat(), drawn[-1].until.isoformat()] if drawn else None,
        },
    )


def _span(report: ChunkReport) -> dict[str, str]:
    kinds = sorted({str(trouble["kind"]).replace("_", " ") for trouble in report.troubles})
    return {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "text": f"chunk {report.number} in quarantine: {', '.join(kinds)}",
    }


def _figure(figure: Figure | None) -> str:
    """Returns a figure with its interval, for a table."""
    return "-" if figure is None else figure_words(figure, ".3g") or "-"
