"""Windows of spans: the existing spans, and those that must be read first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Artifact
from tfx.dsl.io import fileio

from pipeline.components.arrow_example_gen.component import input_config, range_config
from pipeline.components.arrow_example_gen.driver import make_input_processor
from pipeline.components.span_window.accepted import accepted_examples
from pipeline.reading.files.locations import Source


@dataclass(frozen=True)
class Window:
    """The spans to train on.

    Attributes:
        fingerprints: Span to the fingerprint of its files, ascending; of several versions of a
            span, the latest counts.
        acceptance: Digest of everything that determines ingestion and acceptance.
    """

    fingerprints: Mapping[int, str]
    acceptance: str


def find_window(source: Source, acceptance: str) -> Window | None:
    """Returns the window of a source, or None if a single span is used.

    Args:
        source: Location of the data.
        acceptance: The output of `pipeline.wiring.ingestion.acceptance_digest`.
    """
    if not source.window:
        return None
    fingerprints = {span: _fingerprint(replace(source, span=span)) for span in source.window}
    return Window(fingerprints, acceptance)


def _fingerprint(source: Source) -> str:
    """Returns the properties that the driver writes to the examples of a span."""
    processor = make_input_processor(
        source.base,
        input_config(source).splits,
        range_config(source),
        kept_digests=source.kept_digests,
    )
    span, version = processor.resolve_span_and_version()
    return str(processor.get_input_fingerprint(span, version))


def missing_spans(store: MetadataStore, use_case: str, window: Window) -> list[int]:
    """Returns the spans before the newest that must be read first, oldest first.

    Args:
        store: The metadata store.
        use_case: Name of the pipeline.
        window: The spans to train on.
    """
    context = store.get_context_by_type_and_name("pipeline", use_case)
    artifacts = [] if context is None else store.get_artifacts_by_context(context.id)
    live = [artifact for artifact in artifacts if artifact.state == Artifact.LIVE]
    accepted = accepted_examples(
        [a for a in live if a.type == "Examples" and fileio.isdir(a.uri)],
        [a for a in live if a.type == "ExampleValidationMetrics"],
        window=window.fingerprints,
        acceptance=window.acceptance,
    )
    *earlier, _ = sorted(window.fingerprints)
    return [span for span in earlier if span not in accepted]
