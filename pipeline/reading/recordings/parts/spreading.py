"""Spreading of the parts of an assembly: over this process, or over a Beam engine."""

import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from common.errors import InputError
from pipeline.reading.recordings.raw.tables import Mapper, in_order

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Who works.

    Attributes:
        pieces: Works on pieces of tables, of which one is a batch of rows and one thread.
        parts: Works on parts, in each of which several threads read.
    """

    pieces: Mapper
    parts: Mapper


def choose_spread(beam_args: Sequence[str] | None, folder: Path) -> Spread:
    """Returns who works: the workers of an engine, or threads of this process.

    Args:
        beam_args: Beam options of the engine; None for this process.
        folder: A folder that the workers of the engine share.
    """
    if beam_args is None:
        return Spread(pieces=in_order, parts=map)
    mapper = BeamMapper(beam_args, folder)
    return Spread(pieces=mapper, parts=mapper)


class BeamMapper:
    """Applies a function as a Beam job whose elements are the items.

    Items and results are files of a shared folder, since they may be many: a job has a size limit.
    A single item is not worth a job.

    Args:
        beam_args: Beam options: the runner and its address.
        folder: A folder that all workers share.
    """

    def __init__(self, beam_args: Sequence[str], folder: Path) -> None:
        self._beam_args, self._folder = tuple(beam_args), folder

    def __call__(self, function: Callable[[In], Out], items: Sequence[In], /) -> Iterator[Out]:
        """Yields the results, in order.

        Raises:
            InputError: That of the first item whose function raises one.
        """
        if len(items) <= 1:
            yield from map(function, items)
            return
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="job-") as name:
            folder = Path(name)
            for number, item in enumerate(items):
                (folder / _item(number)).write_bytes(pickle.dumps(item))
            self._run(_Task(function, folder), len(items))
            for number in range(len(items)):
                outcome = _load(folder / _result(number))
                if isinstance(outcome, InputError):
                    raise outcome
                yield outcome

    def _run(self, task: "_Task", num_items: int) -> None:
        # Not with this module: other assemblies start without Beam.
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        with beam.Pipeline(options=PipelineOptions(list(self._beam_args))) as pipeline:
            _ = (
                pipeline
                | "Parts" >> beam.Create(list(range(num_items)))
                | "SpreadParts" >> beam.Reshuffle()
                | "WorkOnPart" >> beam.Map(task)
            )


class _Task:
    """Applies a function to the item of a number, and keeps the result beside it.

    An exception that crosses a runner loses its type, so bad input is a result.
    """

    def __init__(self, function: Callable[[Any], Any], folder: Path) -> None:
        self._function, self._folder = function, folder

    def __call__(self, number: int) -> int:
        outcome: Any
        try:
            outcome = self._function(_load(self._folder / _item(number)))
        except InputError as error:
            outcome = InputError(str(error))
        # A worker that is lost may still write while another one repeats its work.
        incoming = self._folder / f".{_result(number)}-{uuid4().hex}"
        incoming.write_bytes(pickle.dumps(outcome))
        incoming.replace(self._folder / _result(number))
        return number


def _item(number: int) -> str:
    return f"item-{number:06d}"


def _result(number: int) -> str:
    return f"result-{number:06d}"


def _load(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 - our own file of a moment ago
