"""StatisticsGen: TFX's component and artifact, with a reader that wastes no time on rows.

TFX's own executor decodes small batches; most of its time goes into Beam's work for each of them.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import component
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact

_BATCH_ROWS = 10_000
STATISTICS_FILE = "FeatureStats.pb"


def read_batches(path: str) -> Iterator[pa.RecordBatch]:
    """Yields the tf.Examples of one gzip TFRecord file as Arrow record batches.

    Args:
        path: The file.
    """
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    records = tf.data.TFRecordDataset([path], compression_type="GZIP").batch(_BATCH_ROWS)
    for batch in records.as_numpy_iterator():
        yield decoder.DecodeBatch(batch)


class Executor(base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Computes TFDV's statistics of every split in one Beam pipeline."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `Split-NAME/FeatureStats.pb` for every split.

        Args:
            input_dict: `examples`.
            output_dict: `statistics`.
            exec_properties: TFX's; all at their defaults.
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
        with self._make_beam_pipeline() as pipeline:
            for split in artifact_utils.decode_split_names(examples.split_names):
                files = sorted(fileio.glob(f"{examples.uri}/Split-{split}/*"))
                _write_statistics(
                    pipeline, split, files, f"{statistics.uri}/Split-{split}/{STATISTICS_FILE}"
                )


def _write_statistics(
    pipeline: beam.Pipeline, split: str, files: list[str], output: str
) -> None:
    # Paths are the elements: a batch that Beam has to encode costs more than its statistics.
    _ = (
        pipeline
        | f"Files[{split}]" >> beam.Create(files, reshuffle=False)
        | f"Read[{split}]" >> beam.FlatMap(read_batches).with_output_types(pa.RecordBatch)
        | f"Statistics[{split}]" >> tfdv.GenerateStatistics(tfdv.StatsOptions())
        | f"Write[{split}]" >> tfdv.WriteStatisticsToBinaryFile(output)
    )


class StatisticsGen(component.StatisticsGen):  # type: ignore[misc]
    """TFX's StatisticsGen: `examples` in, `statistics` out."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
