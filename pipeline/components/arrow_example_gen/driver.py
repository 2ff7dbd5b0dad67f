"""The driver of ArrowExampleGen: which files a span has, and their content as the cache key."""

from collections.abc import Iterable
from typing import Any

from tfx.components.example_gen.driver import FileBasedDriver
from tfx.components.example_gen.input_processor import FileBasedInputProcessor
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2

from common.digests import digest_local_files
from pipeline.components.arrow_example_gen.executor import KEPT_DIGESTS_KEY
from pipeline.reading.files.locations import Source, SpanFiles, fill_span, source_files


class LocalInputProcessor(FileBasedInputProcessor):  # type: ignore[misc]
    """Finds spans, versions and files with the project's lister.

    TFX's own processor globs with TensorFlow's file system, which takes brackets in a real path for
    a pattern, and takes the fingerprint from the files' sizes and times. Here the fingerprint is
    the digest of their names and content.

    Args:
        base: The folder below which the patterns are matched.
        splits: Names and patterns of the input.
        range_config: The span to use, by default the latest.
        kept_digests: File in which the digests of unchanged files are kept; empty for none.
    """

    def __init__(
        self,
        base: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        *,
        kept_digests: str = "",
    ) -> None:
        super().__init__(base, splits, range_config)
        self._base = base
        self._patterns = {split.name: split.pattern for split in splits}
        self._span = range_config.static_range.start_span_number if range_config else None
        self._kept_digests = kept_digests
        self._filled: dict[str, SpanFiles] = {}

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Returns the span and its latest version; 0 and None if the patterns have none.

        Raises:
            InputError: A pattern matches nothing, or the patterns have different latest spans.
        """
        self._filled = {
            pattern: fill_span(self._base, pattern, self._span)
            for pattern in self._patterns.values()
        }
        spans = {(filled.span, filled.version) for filled in self._filled.values()}
        if len(spans) > 1:
            raise RuntimeError(f"The patterns have different spans and versions: {spans}.")
        return spans.pop()

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns the pattern with the span and the version as the files write them."""
        del span, version
        return self._filled[pattern].pattern

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Returns the digest of the names and the content of the files."""
        del span, version
        patterns = {name: self._filled[p].pattern for name, p in self._patterns.items()}
        files = source_files(Source(base=self._base, patterns=patterns))
        return digest_local_files(files, self._base, kept_digests=self._kept_digests).digest


def make_input_processor(
    base: str,
    splits: Iterable[example_gen_pb2.Input.Split],
    range_config: range_config_pb2.RangeConfig | None,
    *,
    kept_digests: str,
) -> FileBasedInputProcessor:
    """Returns the processor of a local folder or, TFX's own, of a URL.

    Args:
        base: The folder or URL below which the patterns are matched.
        splits: Names and patterns of the input.
        range_config: The span to use, by default the latest.
        kept_digests: File in which the digests of unchanged files are kept; empty for none.
    """
    if "://" in base:
        return FileBasedInputProcessor(base, splits, range_config)
    return LocalInputProcessor(base, splits, range_config, kept_digests=kept_digests)


class Driver(FileBasedDriver):  # type: ignore[misc]
    """TFX's driver of file-based ExampleGens with another input processor."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Fills the span, the version and the fingerprint into the execution properties."""
        self._kept_digests = exec_properties.get(KEPT_DIGESTS_KEY) or ""
        resolved: dict[str, Any] = super().resolve_exec_properties(
            exec_properties, pipeline_info, component_info
        )
        return resolved

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> FileBasedInputProcessor:
        """Returns the processor for the input."""
        return make_input_processor(
            input_base_uri or "", splits, range_config, kept_digests=self._kept_digests
        )
