"""Which artifacts a window takes, from records made by hand."""

import pytest
from ml_metadata.metadata_store import MetadataStore
from tfx.types.standard_artifacts import (
    Examples,
    ExampleValidationMetrics,
    Schema,
    TransformCache,
)

from common.errors import InputError
from common.metadata import sqlite_connection
from pipeline.components.span_window.resolvers import EarlierAnalysisStrategy, SpanWindowStrategy
from tests.pipeline.records import Execution, Recorder


def _examples(identity: int, span: int, fingerprint: str) -> Examples:
    examples = Examples()
    examples.id = identity
    examples.mlmd_artifact.custom_properties["span"].int_value = span
    examples.mlmd_artifact.custom_properties["input_fingerprint"].string_value = fingerprint
    return examples


def _report(examples_id: int, span: int, acceptance: str = "now") -> ExampleValidationMetrics:
    report = ExampleValidationMetrics()
    report.set_int_custom_property("examples_id", examples_id)
    report.set_int_custom_property("data_span", span)
    report.set_string_custom_property("acceptance", acceptance)
    return report


def _window(wanted: dict[str, str], examples, reports) -> list[int]:
    result = SpanWindowStrategy(wanted, "now").resolve_artifacts(
        None, {"candidate": [], "examples": examples, "report": reports}
    )
    return [artifact.id for artifact in result["examples"]]


def test_accepted_spans_come_in_the_order_of_the_spans_not_of_the_runs():
    examples = [_examples(11, 10, "x"), _examples(12, 9, "y"), _examples(13, 8, "z")]
    reports = [_report(11, 10), _report(12, 9), _report(13, 8)]
    assert _window({"10": "x", "9": "y"}, examples, reports) == [12, 11]


def test_a_span_that_was_delivered_again_counts_as_it_is_now():
    examples = [_examples(11, 1, "old"), _examples(12, 1, "new")]
    reports = [_report(11, 1), _report(12, 1)]
    assert _window({"1": "new"}, examples, reports) == [12]
    assert _window({"1": "old"}, examples, reports) == [11]


@pytest.mark.parametrize(
    ("examples", "reports"),
    [
        pytest.param([_examples(11, 1, "x")], [], id="stopped by the gate"),
        pytest.param([_examples(11, 1, "x")], [_report(11, 1, "before")], id="by other rules"),
        pytest.param([_examples(11, 1, "y")], [_report(11, 1)], id="of other files"),
        pytest.param([], [_report(11, 1)], id="gone"),
    ],
)
def test_what_was_not_accepted_as_it_is_now_is_not_trained_on(examples, reports):
    with pytest.raises(InputError, match="span 1 changed during the run"):
        _window({"1": "x"}, examples, reports)


class Analyses:
    """Transform's executions in a store, and what the next one may begin with."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.store = MetadataStore(sqlite_connection(folder / "m.db"))
        self.recorder = Recorder(self.store, "run")
        self.caches: list[int] = []

    def artifact(self, type_name: str, **properties: object) -> int:
        made = self.recorder.step("Source", outputs={"made": (type_name, properties)})
        return made["made"]

    def schema(self, text: str) -> int:
        identity = self.artifact("Schema")
        [artifact] = self.store.get_artifacts_by_id([identity])
        folder = self.folder / f"schema-{identity}"
        folder.mkdir()
        (folder / "schema.pbtxt").write_text(text)
        artifact.uri = str(folder)
        self.store.put_artifacts([artifact])
        return identity

    def transform(self, examples: int, schema: int, *, cache: int | None = None, **options) -> int:
        made = self.recorder.step(
            "Transform",
            inputs={"examples": examples, "schema": schema}
            | ({} if cache is None else {"analyzer_cache": cache}),
            outputs={"updated_analyzer_cache": ("TransformCache", {})},
            parameters={"custom_config": options.get("config", "same")},
            state=options.get("state", Execution.COMPLETE),
        )
        self.caches.append(made["updated_analyzer_cache"])
        return self.caches[-1]

    def resolve(self, examples: int, schema: int) -> list[int]:
        result = EarlierAnalysisStrategy("same").resolve_artifacts(
            self.store,
            {
                "examples": [self._typed(Examples, examples)],
                "schema": [self._typed(Schema, schema)],
                "cache": [self._typed(TransformCache, cache) for cache in self.caches],
            },
        )
        return [artifact.id for artifact in result["cache"]]

    def _typed(self, kind, identity: int):
        artifact = kind()
        [stored] = self.store.get_artifacts_by_id([identity])
        artifact.set_mlmd_artifact(stored)
        return artifact


@pytest.fixture
def analyses(tmp_path):
    return Analyses(tmp_path)


def test_the_latest_analysis_with_the_same_code_and_schema_is_begun_with(analyses):
    first, second, third = (analyses.artifact("Examples") for _ in range(3))
    schema, other_schema = analyses.schema("x"), analyses.schema("y")
    assert analyses.resolve(third, schema) == []
    analyses.transform(first, schema)
    latest = analyses.transform(second, schema)
    analyses.transform(second, schema, config="other features")
    analyses.transform(second, other_schema)
    analyses.transform(second, schema, state=Execution.FAILED)
    assert analyses.resolve(third, schema) == [latest]
    # Inferred anew from the new span, with the same result.
    assert analyses.resolve(third, analyses.schema("x")) == [latest]


def test_a_window_that_was_analysed_before_gets_what_it_got_then(analyses):
    first, second = analyses.artifact("Examples"), analyses.artifact("Examples")
    schema = analyses.schema("x")
    cache = analyses.transform(first, schema)
    assert analyses.resolve(first, schema) == []
    analyses.transform(second, schema, cache=cache)
    assert analyses.resolve(second, schema) == [cache]
    assert analyses.resolve(first, schema) == []
