"""The AnomalyGate component."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleValidationMetrics,
    Schema,
)
from tfx.utils import io_utils

from common.errors import InputError
from common.example_files import UNLABELLED, read_batches, split_files, split_folder
from models.features import Audio, Image, Signal, features_from_json, of_kind
from pipeline.components.anomaly_gate.findings import (
    Finding,
    describe_warnings,
    drift_findings,
    find_anomalies,
    findings_table,
    schema_differences,
    tolerate_unused,
    unlabelled_findings,
)
from pipeline.components.anomaly_gate.pictures import (
    count_pictures,
    judge_duplicates,
    judge_pictures,
)
from pipeline.components.anomaly_gate.signals import count_signals, judge_signals
from pipeline.components.anomaly_gate.slice_names import check_slices
from pipeline.components.anomaly_gate.sounds import count_sounds, judge_sounds
from pipeline.components.example_validator.drift import DRIFT_FILE, DriftReport
from pipeline.components.example_validator.earlier_span import read_span
from pipeline.components.example_validator.properties import (
    ACCEPTANCE_KEY,
    DATA_SPAN_KEY,
    DRIFT_KEY,
    DRIFTED_KEY,
    EXAMPLES_ID_KEY,
    HAS_SPANS_KEY,
    STATISTICS_ID_KEY,
)
from pipeline.components.recording_troubles.files import read_file_columns
from pipeline.config import SPLITS, Validation

REPORT_FILE = "anomalies.md"
WARNINGS_KEY = "warnings"
_BATCH_ROWS = 1_000


@component
def AnomalyGate(  # noqa: N802, PLR0913, PLR0917 - a component is a noun; its interface
    examples: InputArtifact[Examples],
    anomalies: InputArtifact[ExampleAnomalies],
    schema: InputArtifact[Schema],
    inferred_schema: InputArtifact[Schema],
    report: OutputArtifact[ExampleValidationMetrics],
    name: Parameter[str],
    features: Parameter[str],
    validation: Parameter[str],
    slices: Parameter[str],
    needed: Parameter[str],
    reports_dir: Parameter[str],
    acceptance: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Stops the run if the data do not match the schema and the config.

    Args:
        examples: The examples, for the signals in them.
        anomalies: The output of ExampleValidator.
        schema: The curated schema.
        inferred_schema: The output of SchemaGen; differences are only reported.
        report: Gets `anomalies.md`; its properties count the anomalies and name the data that
            drift was measured against. Only a report of accepted data is ever published.
        name: Name of the use case.
        features: The features table as JSON.
        validation: `pipeline.config.Validation` as JSON.
        slices: The slices that the config asks for, from `slices_to_json`.
        needed: The columns that the model, the split and the slices need, as JSON; anomalies of
            other columns are warnings.
        reports_dir: Folder for the report that outlives a stopped run.
        acceptance: Digest of everything that decides acceptance, recorded for later runs.
        code_digest: Digest of the gate's code.

    Raises:
        InputError: There are anomalies, which the message lists; or a slice names a column or
            value that the data do not have.
    """
    curated, inferred = _read_schema(schema), _read_schema(inferred_schema)
    check_slices(slices, inferred)
    limits, table = Validation.from_json(validation), features_from_json(features)
    drift_stops = limits.drift == "stop"
    findings = [
        *tolerate_unused(
            _anomalies(anomalies, curated, drift_stops=drift_stops), json.loads(needed)
        ),
        *drift_findings(_read_drift(anomalies, "train"), stops=drift_stops),
        *unlabelled_findings(_read_drift(anomalies, UNLABELLED)),
        *_signal_findings(examples, of_kind(table, Signal), limits, inferred),
        *_sound_findings(examples, of_kind(table, Audio), limits),
        *_picture_findings(examples, of_kind(table, Image)),
        *schema_differences(inferred, curated),
    ]
    drift = _note_comparison(report, anomalies, examples)
    report.set_int_custom_property(EXAMPLES_ID_KEY, examples.id)
    report.set_string_custom_property(ACCEPTANCE_KEY, acceptance)
    text = findings_table(findings)
    path = Path(reports_dir) / f"anomalies-{name}.md"
    for folder in (path.parent, Path(report.uri)):
        folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Anomalies of {name}\n\n{drift}.\n\n{text or 'None.'}\n", encoding="utf-8")
    (Path(report.uri) / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    stopping = _note_findings(report, findings)
    if stopping:
        only_drift = all(finding.is_drift for finding in stopping)
        what = "differ from the data accepted before" if only_drift else "do not match the schema"
        raise InputError(
            f"The data{_of_span(report)} {what}; nothing was trained.\n"
            f"{findings_table(stopping)}\n{drift}.\nThe whole report: {path}"
        )


def _note_findings(report: ExampleValidationMetrics, findings: Sequence[Finding]) -> list[Finding]:
    """Records the numbers of findings and the warnings; returns the findings that stop the run."""
    stopping = [finding for finding in findings if finding.stops]
    report.set_int_custom_property("num_anomalies", len(stopping))
    report.set_int_custom_property("num_warnings", len(findings) - len(stopping))
    report.set_string_custom_property(WARNINGS_KEY, describe_warnings(findings))
    has_drifted = any(finding.is_drift for finding in findings)
    report.set_int_custom_property(DRIFTED_KEY, int(has_drifted))
    return stopping


def _read_schema(schema: Schema) -> schema_pb2.Schema:
    read: schema_pb2.Schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))
    return read


def _note_comparison(
    report: ExampleValidationMetrics, anomalies: ExampleAnomalies, examples: Examples
) -> str:
    """Records the span, for later spans, and how drift was checked; returns the latter."""
    drift: str = anomalies.get_string_custom_property(DRIFT_KEY)
    report.set_string_custom_property(DRIFT_KEY, drift)
    statistics_id = anomalies.get_int_custom_property(STATISTICS_ID_KEY)
    report.set_int_custom_property(STATISTICS_ID_KEY, statistics_id)
    if anomalies.get_int_custom_property(HAS_SPANS_KEY):
        report.set_int_custom_property(DATA_SPAN_KEY, read_span(examples))
    return drift.capitalize()


def _of_span(report: ExampleValidationMetrics) -> str:
    if not report.has_custom_property(DATA_SPAN_KEY):
        return ""
    return f" of span {report.get_int_custom_property(DATA_SPAN_KEY)}"


def _anomalies(
    anomalies: ExampleAnomalies, schema: schema_pb2.Schema, *, drift_stops: bool
) -> Iterator[Finding]:
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        content = Path(split_folder(anomalies.uri, split), "SchemaDiff.pb").read_bytes()
        message = anomalies_pb2.Anomalies.FromString(content)
        yield from find_anomalies(message, schema, split, drift_stops=drift_stops)


def _read_drift(anomalies: ExampleAnomalies, split: str) -> DriftReport:
    path = Path(split_folder(anomalies.uri, split), DRIFT_FILE)
    if split == UNLABELLED and not path.exists():  # every row has a label
        return DriftReport()
    return DriftReport.from_json(path.read_text(encoding="utf-8"))


def _signal_findings(
    examples: Examples,
    signals: Mapping[str, Signal],
    limits: Validation,
    inferred: schema_pb2.Schema,
) -> Iterator[Finding]:
    if not signals:
        return
    columns = {*signals, *(s.rate_column for s in signals.values() if s.rate_column)}
    # With the types of the data: a decoder that expects another type fails without naming a column.
    there = schema_pb2.Schema(feature=[f for f in inferred.feature if f.name in columns])
    for split in SPLITS:
        files = split_files(examples.uri, split)
        batches = read_batches(*files, schema=there.SerializeToString(), batch_rows=_BATCH_ROWS)
        counts = count_signals(batches, signals)
        yield from judge_signals(counts, signals, limits, split)


def _sound_findings(
    examples: Examples, sounds: Mapping[str, Audio], limits: Validation
) -> Iterator[Finding]:
    if not sounds:
        return
    for split in SPLITS:
        batches = _file_batches(examples, split, sounds)
        yield from judge_sounds(count_sounds(batches, sounds), sounds, limits, split)


def _picture_findings(examples: Examples, pictures: Mapping[str, Image]) -> Iterator[Finding]:
    if not pictures:
        return
    counts = {
        split: count_pictures(_file_batches(examples, split, pictures), pictures)
        for split in SPLITS
    }
    yield from judge_duplicates(counts)  # first, since not all warnings are named
    for split, of_split in counts.items():
        yield from judge_pictures(of_split, pictures, split)


def _file_batches(examples: Examples, split: str, names: Iterable[str]) -> Iterator[pa.RecordBatch]:
    files = split_files(examples.uri, split)
    return read_file_columns(files, names, batch_rows=_BATCH_ROWS)
