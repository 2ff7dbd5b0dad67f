"""TFX's executor of Transform, with bulk reading and an analysis of each span."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfx.components.transform import executor
from tfx.types import standard_component_specs
from tfx.types.artifact import Artifact

from common.internals.tfx import transform_reading_by
from pipeline.components.beam_progress import ReportingExecutor
from pipeline.components.transform.bulk_records import BulkExampleRecord
from pipeline.components.transform.span_analysis import analyse_spans

Artifacts = dict[str, list[Artifact]]


class Executor(ReportingExecutor, executor.Executor):  # type: ignore[misc]
    """Analyses examples as TFX does, from batches of thousands of rows.

    TFX reads each record as a Beam element, which takes longer than its analysis.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: Artifacts,
        output_dict: Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs TFX's Transform; arguments and results are TFX's.

        With an analyzer cache to write, every span is analysed on its own, or taken from the
        cache; see `span_analysis`.

        Args:
            input_dict: `examples`, gzip TFRecords of tf.Examples, `schema`, and perhaps
                `analyzer_cache`.
            output_dict: `transform_graph`, and perhaps `updated_analyzer_cache`.
            exec_properties: Those of TFX's Transform.
        """

        def transform(inputs: Artifacts, outputs: Artifacts) -> list[str]:
            with _reading_in_bulk() as read:
                super(Executor, self).Do(inputs, outputs, exec_properties)
            return read

        if output_dict.get(standard_component_specs.UPDATED_ANALYZER_CACHE_KEY):
            analyse_spans(transform, input_dict, output_dict, scratch=self._get_tmp_dir())
        else:
            transform(input_dict, output_dict)


@contextmanager
def _reading_in_bulk() -> Iterator[list[str]]:
    """Yields the list that gets the file patterns that are read while the context is open."""
    read: list[str] = []

    def create_source(file_pattern: str, schema: Any) -> BulkExampleRecord:
        return BulkExampleRecord(
            on_read=lambda: read.append(file_pattern),
            file_pattern=file_pattern,
            schema=schema,
            telemetry_descriptors=["Transform"],
        )

    with transform_reading_by(create_source):
        yield read
