"""Resolvers of a window's inputs: the examples of its spans and an earlier analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Event, Execution
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs
from tfx.types.artifact import Artifact

from common.errors import InputError
from common.metadata import input_ids
from pipeline.components.span_window.accepted import accepted_examples

CANDIDATE, EXAMPLES, REPORT = "candidate", "examples", "report"
SCHEMA, CACHE = "schema", "cache"


class SpanWindowStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the accepted examples of every span of the window, in the order of the spans."""

    def __init__(self, window: Mapping[str, str], acceptance: str) -> None:
        """Makes the strategy.

        Args:
            window: Span, as text, to the fingerprint of its files.
            acceptance: Digest of everything that decides what is read and accepted.
        """
        self._window = {int(span): fingerprint for span, fingerprint in window.items()}
        self._acceptance = acceptance

    def resolve_artifacts(
        self,
        store: object,  # noqa: ARG002 - the interface's
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the examples of the window.

        Args:
            store: The metadata store; unused.
            input_dict: Lists of artifacts under `candidate` (the report on the newest span),
                `examples` and `report`.

        Raises:
            InputError: A span is missing, because its files changed since the run began.
        """
        accepted = accepted_examples(
            [artifact.mlmd_artifact for artifact in input_dict[EXAMPLES]],
            [artifact.mlmd_artifact for artifact in input_dict[REPORT]],
            window=self._window,
            acceptance=self._acceptance,
        )
        missing = sorted(set(self._window) - set(accepted))
        if missing:
            raise InputError(
                f"The files of span {', '.join(map(str, missing))} changed during the run. "
                "Run again when they are complete."
            )
        by_id = {artifact.id: artifact for artifact in input_dict[EXAMPLES]}
        return {
            CANDIDATE: input_dict[CANDIDATE],
            EXAMPLES: [by_id[accepted[span]] for span in sorted(self._window)],
            REPORT: [],
        }


@dataclass(frozen=True)
class _Analysis:
    """One execution of Transform that wrote a cache."""

    examples: frozenset[int]
    schema: frozenset[int]
    earlier: frozenset[int]
    cache: Artifact


class EarlierAnalysisStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the analyzer cache that Transform may begin with.

    It is the latest that the same preprocessing wrote with the same schema. A window that has been
    analysed before gets what it got then: else an unchanged second run would analyse again, from
    its own cache.
    """

    def __init__(self, custom_config: str) -> None:
        """Makes the strategy.

        Args:
            custom_config: Transform's execution property of that name: the features table and the
                digest of the code.
        """
        self._custom_config = custom_config

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Returns the examples and the schema as they are, and one cache or none.

        Args:
            store: The metadata store.
            input_dict: Lists of artifacts under `examples`, `schema` and `cache`.
        """
        examples = frozenset(artifact.id for artifact in input_dict[EXAMPLES])
        texts = {artifact.id: _schema_text(artifact) for artifact in input_dict[SCHEMA]}
        analyses = self._analyses(store, input_dict[CACHE])
        same = [a for a in analyses if a.examples == examples and a.schema == set(texts)]
        by_id = {artifact.id: artifact for artifact in input_dict[CACHE]}
        if same:
            chosen = [by_id[i] for i in sorted(same[-1].earlier) if i in by_id]
        else:
            schemas = _schemas(store, analyses)
            wanted = set(texts.values())
            usable = [a for a in analyses if {schemas.get(i) for i in a.schema} == wanted]
            chosen = [usable[-1].cache] if usable else []
        return {EXAMPLES: input_dict[EXAMPLES], SCHEMA: input_dict[SCHEMA], CACHE: chosen}

    def _analyses(self, store: MetadataStore, caches: Sequence[Artifact]) -> list[_Analysis]:
        """Earlier analyses by the same preprocessing, the oldest first."""
        if not caches:
            return []
        by_id = {cache.id: cache for cache in caches}
        events = store.get_events_by_artifact_ids(sorted(by_id))
        makers = {e.execution_id: e.artifact_id for e in events if e.type == Event.OUTPUT}
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        complete = [
            execution
            for execution in store.get_executions_by_id(sorted(makers))
            if execution.last_known_state == Execution.COMPLETE
            and execution.custom_properties[key].string_value == self._custom_config
        ]
        return [
            _analysis(store, execution.id, by_id[makers[execution.id]])
            for execution in sorted(complete, key=lambda execution: int(execution.id))
        ]


def _analysis(store: MetadataStore, execution_id: int, cache: Artifact) -> _Analysis:
    inputs = input_ids(store, execution_id)
    return _Analysis(
        examples=inputs.get(standard_component_specs.EXAMPLES_KEY, frozenset()),
        schema=inputs.get(standard_component_specs.SCHEMA_KEY, frozenset()),
        earlier=inputs.get(standard_component_specs.ANALYZER_CACHE_KEY, frozenset()),
        cache=cache,
    )


def _schemas(store: MetadataStore, analyses: Sequence[_Analysis]) -> dict[int, str]:
    """The text of every schema that was analysed with, by its id."""
    ids = sorted({i for analysis in analyses for i in analysis.schema})
    return {artifact.id: _schema_text(artifact) for artifact in store.get_artifacts_by_id(ids)}


def _schema_text(schema: Artifact) -> str:
    """A schema's text, or an empty text if its file is gone."""
    path = f"{schema.uri}/schema.pbtxt"
    if not fileio.exists(path):
        return ""
    with fileio.open(path) as file:
        return str(file.read())
