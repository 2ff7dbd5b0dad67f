"""Limits of a model, in words, from what its run recorded."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.counting import count
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import run_output

if TYPE_CHECKING:  # it imports TensorFlow
    from pipeline.components.evaluation.results import Evaluation

# With fewer faults, even a recall of 1 has a 95 % interval down to below 0.7 (Clopper-Pearson:
# 0.025 ** (1 / 10) = 0.69).
_FEW_FAULTS = 10
_MAX_NAMED = 8


def limits_of(graph: Graph, run: Run, measured: "Evaluation") -> list[str]:
    """Returns what the figures of a model do not show, one sentence or two each.

    Args:
        graph: Everything that ML Metadata holds.
        run: The run of the model.
        measured: What the Evaluator measured on the test split.
    """
    return [
        *_of_size(measured),
        _of_split(run.config.get("split", {})),
        *_of_gate(graph, run),
        *_of_data(graph, run),
        *_of_errors(graph, run),
    ]


def _faults(values: Mapping[str, float]) -> int:
    return int(values.get("true_positives", 0) + values.get("false_negatives", 0))


def _of_size(measured: "Evaluation") -> Iterator[str]:
    faults = _faults(measured.overall)
    yield (
        f"All figures on the test split rest on {count(faults, 'fault')} among "
        f"{count(int(measured.overall.get('num_examples', 0)), 'example')}."
    )
    small = {
        ", ".join(f"{column} = {value}" for column, value in key): _faults(values)
        for key, values in measured.slices.items()
        if key and _faults(values) < _FEW_FAULTS
    }
    if small:
        named = ", ".join(
            f"{name} ({number})" for name, number in sorted(small.items())[:_MAX_NAMED]
        )
        more = f", and {len(small) - _MAX_NAMED} more" if len(small) > _MAX_NAMED else ""
        yield (
            f"Little is shown for {count(len(small), 'slice')} with fewer than {_FEW_FAULTS} "
            f"faults in the test split: {named}{more}."
        )


def _of_split(split: Mapping[str, Any]) -> str:
    strategy, column = split.get("strategy"), split.get("column")
    if strategy == "group":
        return (
            f"The test split has other values of `{column}` than training, but comes from the same "
            "data: later times and other places were not measured."
        )
    if strategy == "time":
        return (
            "The test split is later than training. A change after its end was not measured, and "
            "the same machines may be in both."
        )
    if strategy == "blocks":
        return (
            "The test split has other blocks of neighbouring rows than training, from the same "
            "data: other machines and later times were not measured."
        )
    return (
        "The test split was drawn at random from the same data as training: other machines and "
        "later times were not measured."
    )


def _of_gate(graph: Graph, run: Run) -> Iterator[str]:
    blessing = run_output(graph, run, "ModelBlessing")
    for reason in blessing.properties.get("reasons", []) if blessing else []:
        if reason_verdict(reason) != "BLESSED":
            yield f"Not shown at the gate: {reason['text']}."


def reason_verdict(reason: Mapping[str, Any]) -> str:
    """Returns the verdict of one of the gate's reasons; the first records had only `passed`."""
    return str(reason.get("verdict") or ("BLESSED" if reason.get("passed") else "REJECTED"))


def _of_data(graph: Graph, run: Run) -> Iterator[str]:
    report = run_output(graph, run, "ExampleValidationMetrics")
    if report is None:
        return
    for key in ("drift", "warnings"):
        if text := str(report.properties.get(key, "")):
            yield f"Of the data: {text}."


def _of_errors(graph: Graph, run: Run) -> Iterator[str]:
    analysis = run_output(graph, run, "ErrorAnalysis")
    if analysis is None:
        return
    hard = [str(one) for one in analysis.properties.get("hard", [])][:_MAX_NAMED]
    if hard:
        yield f"Errors are more frequent than elsewhere where: {'; '.join(hard)}."
    suspected = int(analysis.properties.get("num_suspected", 0))
    if suspected:
        yield f"{count(suspected, 'label')} of the examples may be wrong, by confident learning."
