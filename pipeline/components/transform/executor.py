"""TFX's own executor of Transform, told how to read examples and how to go through spans."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tfx.components.transform import executor
from tfx.types import standard_component_specs
from tfx.types.artifact import Artifact

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


def _processor(note: Callable[[str], None]) -> type[executor.TransformProcessor]:
    class Processor(executor.TransformProcessor):  # type: ignore[misc]
        def _CreateTFXIO(self, dataset: Any, schema: Any) -> BulkExampleRecord:  # noqa: N802
            return BulkExampleRecord(
                on_read=lambda: note(dataset.file_pattern),
                file_pattern=dataset.file_pattern,
                schema=schema,
                telemetry_descriptors=["Transform"],
            )

    return Processor


@contextmanager
def _reading_in_bulk() -> Iterator[list[str]]:
    """TFX names its processor in one place, and offers no argument for another.

    Gives the list of the file patterns that are read meanwhile.
    """
    read: list[str] = []
    stock = executor.TransformProcessor
    executor.TransformProcessor = _processor(read.append)
    try:
        yield read
    finally:
        executor.TransformProcessor = stock
