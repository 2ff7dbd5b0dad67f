"""Ingestion of the missing spans of a window, one after the other."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Artifact

from common.errors import InputError
from common.output_folder import OutputFolder
from common.run_ids import span_run_id
from pipeline.components.facts import describe_step
from pipeline.config import Config
from pipeline.create import create_span_pipeline
from pipeline.reading.files.locations import Source
from pipeline.running.launching.artifact_checks import ArtifactChecks, give_up
from pipeline.running.launching.step_results import StartCallback
from pipeline.running.runner import compile_pipeline, run_steps
from pipeline.running.steps import StepResult, StepState
from pipeline.wiring.ingestion import acceptance_digest
from pipeline.wiring.spans import find_window, missing_spans

_GATE = "AnomalyGate"


@dataclass(frozen=True, kw_only=True)
class SpanResult:
    """Result of running one span through the steps up to the gate.

    Attributes:
        step: Its steps combined into one, for the printed line.
        text: The findings as text.
        values: The findings as values.
    """

    step: StepResult
    text: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SpanPlace:
    """Settings of the runs for single spans.

    Attributes:
        config: The use case.
        source: Location of its data.
        folder: The output folder.
        connection: Connection to ML Metadata.
        run_id: The id of the whole run.
        beam_args: Beam options for the data-parallel steps.
    """

    config: Config
    source: Source
    folder: OutputFolder
    connection: metadata_store_pb2.ConnectionConfig
    run_id: str
    beam_args: Sequence[str]


def spans_to_read(store: MetadataStore, place: SpanPlace) -> list[int]:
    """Returns the spans of the window, except the newest, that no run has accepted yet."""
    window = find_window(place.source, acceptance_digest(place.config))
    if window is None:
        return []
    _give_up_damaged(store, place)
    return missing_spans(store, place.config.name, window)


def _give_up_damaged(store: MetadataStore, place: SpanPlace) -> None:
    """Takes damaged examples out of the window, so that their span is read again."""
    context = store.get_context_by_type_and_name("pipeline", place.config.name)
    artifacts = [] if context is None else store.get_artifacts_by_context(context.id)
    checks = ArtifactChecks(place.folder.kept_digests)
    examples = [
        artifact
        for artifact in artifacts
        if artifact.type == "Examples"
        and artifact.state == Artifact.LIVE
        and Path(artifact.uri).exists()
    ]
    give_up(store, checks.find_damaged(examples))
    checks.save()


def read_span(place: SpanPlace, span: int, *, on_start: StartCallback) -> Iterator[SpanResult]:
    """Runs the steps up to the gate for one span and yields the results.

    Raises:
        InputError: The span cannot be read, or the gate rejects it; the failed step is yielded.
        StepFailedError: A step failed for another reason.
    """
    started = time.monotonic()
    compiled = compile_pipeline(
        create_span_pipeline(
            place.config,
            replace(place.source, span=span),
            place.folder,
            place.connection,
            place.beam_args,
        ),
        span_run_id(place.run_id, span),
    )
    done: list[StepResult] = []
    steps = run_steps(
        compiled,
        place.connection,
        on_start=lambda name: on_start(f"Span {span}: {name}"),
        kept_digests=place.folder.kept_digests,
    )
    try:
        for step in steps:
            if step.state in {StepState.FAILED, StepState.INTERRUPTED}:
                yield _result(span, step, f"at {step.name}", started, {"stopped_at": step.name})
            done.append(step)
    except InputError as error:
        raise InputError(f"Span {span}: {error}") from error
    read, judged = (
        next(step for step in done if step.name == name) for name in ("ArrowExampleGen", _GATE)
    )
    facts = [describe_step(step.name, step.outputs) for step in (read, judged)]
    values = {key: value for fact in facts for key, value in fact.values.items()}
    # If the acceptance rules have changed, a span that was already read is judged again.
    summed_up = read if judged.state == StepState.CACHED else judged
    yield _result(span, summed_up, "; ".join(fact.text for fact in facts), started, values)


def _result(
    span: int, step: StepResult, text: str, started: float, values: Mapping[str, Any]
) -> SpanResult:
    shown = replace(
        step,
        name=f"Span {span}",
        duration_s=time.monotonic() - started,
        execution_id=None,
        outputs={},
    )
    return SpanResult(step=shown, text=text, values={"span": span} | dict(values))
