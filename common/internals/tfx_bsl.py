"""Private names of TFX-BSL."""

from typing import Any, Self

from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

VERSION = "1.21"
NAMES = (
    "tfx_bsl.tfxio.tf_example_record:TFExampleRecord._ProjectImpl",
    "tfx_bsl.tfxio.tf_example_record:TFExampleRecord()._file_pattern",
    "tfx_bsl.tfxio.tf_example_record:TFExampleRecord()._schema",
)


class ExampleSource(TFExampleRecord):  # type: ignore[misc]
    """TFX-BSL's `TFExampleRecord` with its files and schema, for a class with another Beam source.

    A projection to some tensors stays of the same class, by `with_schema`.
    """

    @property
    def file_pattern(self) -> Any:
        """The patterns of the files to read."""
        return self._file_pattern

    @property
    def schema(self) -> Any:
        """The `Schema` of the columns to read."""
        return self._schema

    def with_schema(self, schema: Any) -> Self:
        """Returns the same source with other columns."""
        raise NotImplementedError

    def _ProjectImpl(self, tensor_names: list[str]) -> Self:  # noqa: N802
        return self.with_schema(super()._ProjectImpl(tensor_names)._schema)
