"""Beam workers that read the ranges of a query, each over a connection of its own."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from common.errors import InputError
from pipeline.reading.sql.failures import TransientError
from pipeline.reading.sql.partitions.ranges import KeyRange
from pipeline.reading.sql.partitions.reading import read_range
from pipeline.reading.sql.partitions.snapshots import Partitioning, RangeFacts

_FACTS = "facts.txt"
_ERRORS = {"error": InputError, "broken": TransientError}


class BeamReader:
    """Reads ranges as a Beam job; see `reading.Reader`.

    The job holds the address of the database, its statements and the name of the variable with the
    password. A worker takes the password from its own environment.
    """

    def __init__(self, beam_args: Sequence[str]) -> None:
        """Makes a reader.

        Args:
            beam_args: Beam options: the runner and its address.
        """
        self._beam_args = tuple(beam_args)

    def __call__(self, plan: Partitioning, folder: str) -> Iterable[RangeFacts]:
        """Reads all ranges into files of a folder that every worker shares.

        Raises:
            InputError: A worker cannot read its range.
        """
        facts = Path(folder) / _FACTS
        with beam.Pipeline(options=PipelineOptions(list(self._beam_args))) as pipeline:
            build_job(pipeline, plan, folder)
        lines = [
            line
            for path in sorted(facts.parent.glob(f"{_FACTS}*"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        for path in facts.parent.glob(f"{_FACTS}*"):
            path.unlink()
        return [_parse(line) for line in lines]


def build_job(pipeline: beam.Pipeline, plan: Partitioning, folder: str) -> None:
    """Adds the reading of all ranges to a pipeline."""
    # Without its ranges, of which each worker gets its own.
    shared = replace(plan, ranges=())
    _ = (
        pipeline
        | "Ranges" >> beam.Create(list(plan.ranges))
        | "SpreadRanges" >> beam.Reshuffle()
        | "ReadRange" >> beam.ParDo(_ReadRange(shared, folder))
        | "Facts" >> beam.io.WriteToText(f"{folder}/{_FACTS}")
    )


class _ReadRange(beam.DoFn):  # type: ignore[misc]
    """Reads one range; an exception that crosses a runner loses its type, so it yields a line."""

    def __init__(self, plan: Partitioning, folder: str) -> None:
        self._plan = plan
        self._folder = folder

    def process(self, part: KeyRange) -> Iterator[str]:
        try:
            facts = read_range(self._plan, part, self._folder, os.environ)
        except TransientError as error:
            yield "broken " + " ".join(str(error).split())
        except InputError as error:
            yield "error " + " ".join(str(error).split())
        else:
            yield f"read {facts.index} {facts.num_rows} {facts.digest}"


def _parse(line: str) -> RangeFacts:
    word, _, rest = line.partition(" ")
    if word in _ERRORS:
        raise _ERRORS[word](rest)
    index, num_rows, digest = rest.split()
    return RangeFacts(
        index=int(index),
        num_rows=int(num_rows),
        digest=None if digest == "None" else int(digest),
    )
