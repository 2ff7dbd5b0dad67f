"""A source of gzip TFRecords as large Arrow record batches."""

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from tfx.dsl.io import fileio

from common.example_files import BATCH_ROWS, read_batches
from common.internals.tfx_bsl import ExampleSource
from pipeline.components.beam_progress import count_rows


class BulkExampleRecord(ExampleSource):
    """TFX-BSL's `TFExampleRecord` whose Beam elements are files, not records.

    The batches equal TFX-BSL's except for their size.
    """

    def __init__(self, *, on_read: Callable[[], None], **arguments: Any) -> None:
        """Makes the source.

        Args:
            on_read: Called when a pipeline is built that reads these files.
            arguments: TFX-BSL's.
        """
        super().__init__(**arguments)
        self._on_read = on_read

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802
        """Returns a transform that reads all files.

        Args:
            batch_size: Rows of a batch; by default up to 4,096.
        """
        self._on_read()
        files = [file for pattern in self.file_pattern for file in sorted(fileio.glob(pattern))]
        return _ReadFiles(files, self.schema.SerializeToString(), batch_size or BATCH_ROWS)

    def with_schema(self, schema: Any) -> "BulkExampleRecord":
        """Returns the same source with other columns."""
        return BulkExampleRecord(
            on_read=self._on_read,
            file_pattern=self.file_pattern,
            schema=schema,
            telemetry_descriptors=self.telemetry_descriptors,
        )


class _ReadFiles(beam.PTransform):  # type: ignore[misc]
    def __init__(self, files: list[str], schema: bytes, batch_rows: int) -> None:
        super().__init__()
        self._files = files
        self._read = _ReadFn(schema, batch_rows)

    def expand(self, pipeline: Any) -> Any:
        """Spreads the files over the workers, and reads them."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)
        )


class _ReadFn(beam.DoFn):  # type: ignore[misc]
    def __init__(self, schema: bytes, batch_rows: int) -> None:
        self._schema = schema
        self._batch_rows = batch_rows

    def process(self, file: str) -> Iterator[pa.RecordBatch]:
        """Yields the batches of a file."""
        for batch in read_batches(file, schema=self._schema, batch_rows=self._batch_rows):
            count_rows(batch.num_rows, batch.nbytes)
            yield batch
