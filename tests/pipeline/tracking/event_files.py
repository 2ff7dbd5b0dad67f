"""TensorBoard event files with scalars, as Keras's callback writes them."""

from collections.abc import Iterable
from pathlib import Path

from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter


def write_events(folder: Path, scalars: Iterable[tuple[int, str, float]]) -> Path:
    """Writes an event file with (step, tag, value) and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.1.test"
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
        for step, tag, value in scalars:
            event = event_pb2.Event(step=step, summary=scalar_pb(tag, value))
            writer.write(event.SerializeToString())
    return path
