"""Reads the spans of a window that are not there yet, one after the other."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.components.arrow_example_gen.locations import Source
from pipeline.config import Config
from pipeline.create import create_span_pipeline
from pipeline.ingestion import acceptance_digest
from pipeline.output_folder import OutputFolder
from pipeline.run_ids import span_run_id
from pipeline.runner import StartCallback, compile_pipeline, run_steps
from pipeline.spans import find_window, missing_spans
from pipeline.step_facts import describe_step
from pipeline.steps import StepResult, StepState


@dataclass(frozen=True, kw_only=True)
class SpanResult:
    """A span that went through the steps up to the gate.

    Attributes:
        step: All of its steps as one, for the line that it leaves.
        text: What was found, in words.
        values: The same for programs.
    """

    step: StepResult
    text: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SpanPlace:
    """What a run's parts for single spans need.

    Attributes:
        config: The use case.
        source: Where its data is.
        folder: The output folder.
        connection: Where ML Metadata lives.
        run_id: The id of the whole run.
        beam_args: Beam's options for the data-parallel steps.
    """

    config: Config
    source: Source
    folder: OutputFolder
    connection: metadata_store_pb2.ConnectionConfig
    run_id: str
    beam_args: Sequence[str]


def spans_to_read(store: MetadataStore, place: SpanPlace) -> list[int]:
    """Returns the spans of the window, before the newest, that no run has read and accepted."""
    window = find_window(place.source, acceptance_digest(place.config))
    return [] if window is None else missing_spans(store, place.config.name, window)


def read_span(place: SpanPlace, span: int, *, on_start: StartCallback) -> Iterator[SpanResult]:
    """Runs the steps up to the gate for one span, and yields what came out.

    Raises:
        InputError: The span cannot be read, or the gate stops it; the failed step was yielded.
        StepFailedError: A step failed otherwise.
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
    texts, reasons, states = [], [], set()
    values: dict[str, Any] = {"span": span}
    for step in run_steps(
        compiled, place.connection, on_start=lambda name: on_start(f"Span {span}: {name}")
    ):
        if step.state in {StepState.FAILED, StepState.INTERRUPTED}:
            values |= {"stopped_at": step.name}
            yield _result(span, step.state, f"at {step.name}", started, step.reason, values)
            continue
        fact = describe_step(step)
        if step.name in {"ArrowExampleGen", "AnomalyGate"}:
            texts.append(fact.text)
            values |= dict(fact.values)
            reasons.append(step.reason)
            states.add(step.state)
    state = StepState.CACHED if states == {StepState.CACHED} else StepState.RAN
    yield _result(span, state, "; ".join(texts), started, reasons[0], values)


def _result(
    span: int, state: StepState, text: str, started: float, reason: str, values: dict[str, Any]
) -> SpanResult:
    step = StepResult(
        name=f"Span {span}",
        state=state,
        reason=reason,
        duration_s=time.monotonic() - started,
        execution_id=None,
        outputs={},
    )
    return SpanResult(step=step, text=text, values=values)
