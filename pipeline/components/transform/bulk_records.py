"""A source of gzip TFRecords as large Arrow record batches of stacked columns."""

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.io import fileio

from common.example_files import BATCH_ROWS, read_batches
from common.internals.tfx_bsl import ExampleSource
from models.inputs.stacks import Stacks
from pipeline.components.beam_progress import count_rows
from pipeline.components.transform.stacked_batches import stack_batch


class BulkExampleRecord(ExampleSource):
    """TFX-BSL's `TFExampleRecord` whose Beam elements are files, not records.

    The batches equal TFX-BSL's except for their size, and for their columns, which are stacked.
    """

    def __init__(
        self,
        *,
        on_read: Callable[[], None],
        examples_schema: schema_pb2.Schema,
        stacks: Stacks,
        **arguments: Any,
    ) -> None:
        """Makes the source.

        Args:
            on_read: Called when a pipeline is built that reads these files.
            examples_schema: The schema of the examples in the files.
            stacks: The columns of each stack; an empty mapping stacks none.
            arguments: TFX-BSL's; `schema` is that of the stacked columns.
        """
        super().__init__(**arguments)
        self._on_read = on_read
        self._examples_schema = examples_schema
        self._stacks = stacks

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802
        """Returns a transform that reads all files.

        Args:
            batch_size: Rows of a batch; by default up to 4,096.
        """
        self._on_read()
        files = [file for pattern in self.file_pattern for file in sorted(fileio.glob(pattern))]
        names = {feature.name for feature in self.schema.feature}
        stacks = {name: columns for name, columns in self._stacks.items() if name in names}
        read = names.union(*stacks.values())
        schema = schema_pb2.Schema()
        schema.feature.extend(f for f in self._examples_schema.feature if f.name in read)
        return _ReadFiles(files, _ReadFn(schema.SerializeToString(), stacks, batch_size))

    def with_schema(self, schema: Any) -> "BulkExampleRecord":
        """Returns the same source with other columns."""
        return BulkExampleRecord(
            on_read=self._on_read,
            examples_schema=self._examples_schema,
            stacks=self._stacks,
            file_pattern=self.file_pattern,
            schema=schema,
            telemetry_descriptors=self.telemetry_descriptors,
        )


class _ReadFiles(beam.PTransform):  # type: ignore[misc]
    def __init__(self, files: list[str], read: beam.DoFn) -> None:
        super().__init__()
        self._files = files
        self._read = read

    def expand(self, pipeline: Any) -> Any:
        """Spreads the files over the workers, and reads them."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)
        )


class _ReadFn(beam.DoFn):  # type: ignore[misc]
    def __init__(self, schema: bytes, stacks: Stacks, batch_rows: int | None) -> None:
        self._schema = schema
        self._stacks = stacks
        self._batch_rows = batch_rows or BATCH_ROWS

    def process(self, file: str) -> Iterator[pa.RecordBatch]:
        """Yields the batches of a file."""
        for batch in read_batches(file, schema=self._schema, batch_rows=self._batch_rows):
            count_rows(batch.num_rows, batch.nbytes)
            yield stack_batch(batch, self._stacks)
