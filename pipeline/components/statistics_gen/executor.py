"""The Beam pipeline that computes the statistics of all splits."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.combiners import SingleInputTupleCombineFn
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact

from common.errors import InputError
from common.example_files import UNLABELLED, read_batches, split_files, split_folder
from pipeline.components.beam_progress import ReportingExecutor, count_rows
from pipeline.components.statistics_gen.profiles import PROFILE_FILE, DataProfile
from pipeline.components.statistics_gen.profiling import ProfileCombineFn
from pipeline.components.statistics_gen.statistics import StatisticsCombineFn, with_digests

STATISTICS_FILE = "FeatureStats.pb"
MEDIA_KEY = "media"


class Executor(ReportingExecutor, base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Computes the statistics of every split in one Beam pipeline of few steps."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `Split-NAME/FeatureStats.pb` and `Split-NAME/profile.json` for every split.

        The rows without a label get the same, though they are no split.

        Args:
            input_dict: `examples`.
            output_dict: `statistics`.
            exec_properties: `media`, the columns with the bytes of files, as JSON.

        Raises:
            InputError: A split has no examples.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.EXAMPLES_KEY]
        )
        statistics = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.STATISTICS_KEY]
        )
        statistics.split_names = examples.split_names
        statistics.span = examples.span
        splits = artifact_utils.decode_split_names(examples.split_names)
        splits += [UNLABELLED] if split_files(examples.uri, UNLABELLED) else []
        outputs = {
            split: f"{split_folder(statistics.uri, split)}/{STATISTICS_FILE}" for split in splits
        }
        files = [
            (outputs[split], file) for split in outputs for file in split_files(examples.uri, split)
        ]
        media = json.loads(exec_properties.get(MEDIA_KEY) or "[]")
        with self._make_beam_pipeline() as pipeline:
            # The elements are paths: encoding a batch costs Beam more than its statistics. The
            # worker that combines a split also writes its result.
            _ = (
                pipeline
                | "Files" >> beam.Create(files)
                | "Read" >> beam.FlatMapTuple(_keyed_batches, media=media)
                | "Combine"
                >> beam.CombinePerKey(
                    SingleInputTupleCombineFn(StatisticsCombineFn(), ProfileCombineFn())
                )
                | "Write" >> beam.MapTuple(_write)
            )
        _check_written(outputs)


def _keyed_batches(
    output: str, file: str, media: Sequence[str] = ()
) -> Iterator[tuple[str, pa.RecordBatch]]:
    for batch in read_batches(file):
        count_rows(batch.num_rows, batch.nbytes)
        yield output, with_digests(batch, media)


def _write(
    output: str, summaries: tuple[statistics_pb2.DatasetFeatureStatisticsList, DataProfile]
) -> None:
    statistics, profile = summaries
    folder = output.rsplit("/", 1)[0]
    fileio.makedirs(folder)
    with fileio.open(f"{folder}/{PROFILE_FILE}", "w") as file:
        file.write(profile.to_json())
    with fileio.open(output, "wb") as file:
        file.write(statistics.SerializeToString())


def _check_written(outputs: dict[str, str]) -> None:
    empty = [split for split, output in outputs.items() if not fileio.exists(output)]
    if empty:
        raise InputError(
            f"No examples in split {', '.join(empty)}. Every split needs some: bring more data, or "
            "change the shares in `split`."
        )
