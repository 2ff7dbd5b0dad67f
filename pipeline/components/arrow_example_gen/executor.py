"""The executor of ArrowExampleGen: from execution properties to an Examples artifact."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import json_format
from tfx import types
from tfx.components.example_gen import write_split
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from common.digests import content_digest, digest_files, digest_local_files
from common.errors import InputError
from pipeline.components.arrow_example_gen.ingest import Summary, ingest
from pipeline.components.beam_progress import ReportingExecutor
from pipeline.config import SPLITS
from pipeline.reading.files.locations import Source, source_files
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.path_columns.embedding import embedded_tables
from pipeline.reading.recordings.assembling import raw_recordings
from pipeline.reading.sql.extraction.naming import database_words
from pipeline.reading.sql.extraction.record import read_record

INGEST_SPEC_KEY = "ingest_spec"
CODE_DIGEST_KEY = "code_digest"
REPORTS_DIR_KEY = "reports_dir"
KEPT_DIGESTS_KEY = "kept_digests"


class Executor(ReportingExecutor, base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Reads the files that the driver resolved and writes the splits."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Ingests the data.

        Args:
            input_dict: Empty.
            output_dict: `examples`, one artifact.
            exec_properties: `input_base`, `input_config` with the patterns that the driver filled
                in, `ingest_spec`, `reports_dir`, `kept_digests`.

        Raises:
            InputError: The data cannot be used; the message says why.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        files = find_files(input_base, exec_properties[standard_component_specs.INPUT_CONFIG_KEY])
        with database_words(files):
            summary = ingest(
                files,
                IngestSpec.from_json(exec_properties[INGEST_SPEC_KEY]),
                uri=examples.uri,
                reports_dir=exec_properties[REPORTS_DIR_KEY],
                make_pipeline=self._make_beam_pipeline,
            )
        raw = raw_recordings(input_base) or embedded_tables(input_base)
        _describe(examples, summary, notes=raw.notes if raw else ())
        if "://" in input_base:
            digest = digest_files(files, input_base, digest_file=_remote_digest)
        else:
            kept = exec_properties.get(KEPT_DIGESTS_KEY) or ""
            digest = digest_local_files(files, input_base, kept_digests=kept)
        _check_unchanged(digest.digest, exec_properties, input_base)
        origin = raw.properties() if raw else _database_properties(files)
        for key, value in (digest.properties() | origin).items():
            if isinstance(value, int):
                examples.set_int_custom_property(key, value)
            else:
                examples.set_string_custom_property(key, value)


def _database_properties(files: Sequence[str]) -> dict[str, str | int]:
    """Returns what is recorded of files that were read from a database; nothing of others."""
    folder = PurePosixPath(files[0]).parent
    record = None if "://" in files[0] else read_record(Path(folder))
    return record.properties([PurePosixPath(file).name for file in files]) if record else {}


def _remote_digest(path: str) -> tuple[str, int]:
    return content_digest(fileio.open(path, "rb"))


def find_files(input_base: str, input_config: str) -> list[str]:
    """Returns the files that the driver's patterns match, sorted.

    Args:
        input_base: Folder below which the patterns are matched.
        input_config: JSON of `example_gen_pb2.Input`.

    Raises:
        InputError: A pattern matches nothing.
    """
    splits = json_format.Parse(input_config, example_gen_pb2.Input()).splits
    if "://" not in input_base:
        return source_files(Source(base=input_base, patterns={s.name: s.pattern for s in splits}))
    files: set[str] = set()
    for split in splits:
        pattern = f"{input_base}/{split.pattern}"
        matches = [
            file
            for file in fileio.glob(pattern)
            if not PurePosixPath(file).name.startswith((".", "_")) and not fileio.isdir(file)
        ]
        if not matches:
            raise InputError(f"No data found at {pattern}.")
        files.update(matches)
    return sorted(files)


def _check_unchanged(digest: str, exec_properties: dict[str, Any], input_base: str) -> None:
    """Checks that local files have the content that the driver saw."""
    fingerprint = exec_properties.get(FINGERPRINT_PROPERTY_NAME)
    if "://" not in input_base and fingerprint not in (None, digest):
        raise InputError(
            f"The data files in {input_base} changed while they were read. Run again when nothing "
            "writes to them."
        )


def _describe(examples: types.Artifact, summary: Summary, *, notes: Sequence[str]) -> None:
    """Notes on the artifact what readers and people want to know of it."""
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(
        examples, write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP)
    )
    examples.set_int_custom_property("num_rows", summary.num_rows)
    examples.set_int_custom_property("num_bad_rows", summary.num_bad_rows)
    examples.set_int_custom_property("num_unlabelled", summary.num_unlabelled)
    examples.set_int_custom_property("num_duplicates", summary.num_duplicates)
    examples.set_int_custom_property("num_positives_read", summary.num_positives_read)
    if remarks := (*notes, *summary.remarks):
        examples.set_string_custom_property("remarks", "; ".join(remarks))
    for name in SPLITS:
        examples.set_int_custom_property(f"num_rows_{name}", summary.rows[name])
        examples.set_int_custom_property(f"num_positives_{name}", summary.positives[name])
