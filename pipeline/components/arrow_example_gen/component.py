"""ArrowExampleGen, an ExampleGen that reads columns and deals exact splits."""

from tfx import types
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from pipeline.components.arrow_example_gen.driver import Driver
from pipeline.components.arrow_example_gen.executor import (
    CODE_DIGEST_KEY,
    INGEST_SPEC_KEY,
    KEPT_DIGESTS_KEY,
    REPORTS_DIR_KEY,
    Executor,
)
from pipeline.config import SPLITS, Config
from pipeline.reading.files.locations import Source
from pipeline.reading.ingest_spec import make_ingest_spec


class ArrowExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):  # type: ignore[misc]
    """The interface of TFX's file-based ExampleGen and what ArrowExampleGen adds to it."""

    PARAMETERS = {  # noqa: RUF012 - as TFX declares it
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        INGEST_SPEC_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        REPORTS_DIR_KEY: ExecutionParameter(type=str),
        KEPT_DIGESTS_KEY: ExecutionParameter(type=str),
    }


class ArrowExampleGen(FileBasedExampleGen):  # type: ignore[misc]
    """Reads CSV, Parquet or TFRecord as Arrow batches and deals train, eval and test exactly.

    The driver finds spans, dates and versions and writes the digest of the files' content to the
    execution's properties, so the cache follows the data. The output `examples` is a standard
    Examples artifact: gzip TFRecords of tf.Example. Its custom properties count what was read:
    `num_rows`, `num_bad_rows`, `num_duplicates`, and for each split `num_rows_SPLIT` and
    `num_positives_SPLIT`. Rows that could not be read are in `quarantine/bad_rows.jsonl` below
    the artifact's folder.

    Attributes:
        outputs: `examples`.
    """

    SPEC_CLASS = ArrowExampleGenSpec
    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self, config: Config, source: Source, *, code_digest: str, reports_dir: str
    ) -> None:
        """Declares the step.

        Args:
            config: The use case; only what changes the examples becomes part of the cache key.
            source: Where the data is, from `locations.resolve_source`.
            code_digest: Digest of the ingestion code; a change reads the data again.
            reports_dir: Folder that outlives a failed run, for the quarantine file.

        Raises:
            InputError: The curated schema cannot be read.
        """
        spec = ArrowExampleGenSpec(
            input_base=source.base,
            input_config=input_config(source),
            output_config=_output_config(),
            range_config=range_config(source),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            ingest_spec=make_ingest_spec(config).to_json(),
            code_digest=code_digest,
            reports_dir=reports_dir,
            kept_digests=source.kept_digests,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        # FileBasedExampleGen's own constructor would make its spec, which lacks our parameters.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


def input_config(source: Source) -> example_gen_pb2.Input:
    """Returns the patterns of a source in TFX's form."""
    return example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=name, pattern=pattern)
            for name, pattern in source.patterns.items()
        ]
    )


def _output_config() -> example_gen_pb2.Output:
    """Names the splits for readers of the execution; the shares are in `ingest_spec`."""
    names = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=names))


def range_config(source: Source) -> range_config_pb2.RangeConfig | None:
    """Returns the span of a source in TFX's form, or None for the latest."""
    if source.span is None:
        return None
    span = range_config_pb2.StaticRange(start_span_number=source.span, end_span_number=source.span)
    return range_config_pb2.RangeConfig(static_range=span)
