"""Metrics of what the servers of a model record, from the folder of records."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.output_folder import OutputFolder
from production.monitoring.exposition.metrics import Metric, Part, Sample

_HOUR = timedelta(hours=1)

_METRICS = (
    Metric("faultline_records_oldest_timestamp_seconds", "Hour of the oldest recorded request."),
    Metric(
        "faultline_records_newest_timestamp_seconds",
        "Time of the newest recorded request, to the hour if no server records now.",
    ),
    Metric("faultline_labels_last_timestamp_seconds", "When labels were last delivered."),
)


def _read(folder: OutputFolder, model: str) -> Iterator[Sample]:
    collected, labels = folder.collected(model), {"model": model}
    hours = _hours(collected / "requests")
    live = list(_change_times((collected / "live").glob("*.arrows")))
    times = [*live, *(min(hour + _HOUR, _now()).timestamp() for hour in hours[-1:])]
    if times:
        oldest = hours[0].timestamp() if hours else min(live)
        yield Sample("faultline_records_oldest_timestamp_seconds", labels, oldest)
        yield Sample("faultline_records_newest_timestamp_seconds", labels, max(times))
    deliveries = list(_change_times((collected / "labels").glob("*.parquet")))
    if deliveries:
        yield Sample("faultline_labels_last_timestamp_seconds", labels, max(deliveries))


def _change_times(paths: Iterable[Path]) -> Iterator[float]:
    """Yields when each file was last changed; a server may close one in the meantime."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path.stat().st_mtime


def _hours(requests: Path) -> list[datetime]:
    """Returns the first and the last hour with closed files."""
    days = sorted(requests.glob("date=*"))
    hours = []
    for day, index in ((days[0], 0), (days[-1], -1)) if days else ():
        folders = sorted(day.glob("hour=*"))
        if folders:
            text = f"{day.name} {folders[index].name}"
            hours.append(datetime.strptime(text, "date=%Y-%m-%d hour=%H").replace(tzinfo=UTC))
    return hours


def _now() -> datetime:
    return datetime.now(UTC)


COLLECTION = Part("collection", _METRICS, _read)
