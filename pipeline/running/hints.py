"""Hints beside a verdict: why a model may have been refused, and what no bar has checked."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import raw_feature_names
from pipeline.components.fact import Fact
from pipeline.components.names import SEPARATING
from pipeline.config import Config
from pipeline.recording_options import OWN_COLUMNS
from pipeline.running.summary import RunSummary

# With fewer faults than this, chance decides over bars and training.
_FEW_TEST_FAULTS = 20
_FEW_TRAIN_FAULTS = 50


def find_hints(config: Config, summary: RunSummary) -> list[str]:
    """Returns sentences that explain a verdict or say what it does not rest on.

    Args:
        config: The use case.
        summary: The run, with all its steps.
    """
    separating = _separating(summary)
    if summary.blessed:
        return [*separating, *_unchecked(config)]
    if not summary.verdict:
        return []
    return [*separating, *_few_faults(summary), *_excluded_columns(config)]


def _separating(summary: RunSummary) -> list[str]:
    """Asks about features that separate the classes almost alone, in whatever run."""
    facts = summary.facts.get("DataReport", Fact())
    return [
        f"`{name}` alone separates the classes (ROC-AUC {max(area, 1 - area):.4f}). If it is known "
        f"only after the fault, remove its line under `features`, or run `faultline init` with "
        f"`--leave-out {name}`."
        for name, area in facts.values.get(SEPARATING, {}).items()
    ]


def _unchecked(config: Config) -> list[str]:
    if config.gate.bars.given or config.gate.slices or config.cost is not None:
        return []
    return [
        "No bar of yours was checked: the model only has skill. Set gate.bars or cost to say what "
        "it must reach."
    ]


def _few_faults(summary: RunSummary) -> list[str]:
    values = summary.facts["ArrowExampleGen"].values if "ArrowExampleGen" in summary.facts else {}
    train, test = values.get("num_positives_train"), values.get("num_positives_test")
    hints = []
    if train is not None and train < _FEW_TRAIN_FAULTS:
        hints.append(
            f"The model learned from {train} positive rows. Add faults, older recordings or those "
            "of similar machines."
        )
    if test is not None and test < _FEW_TEST_FAULTS:
        hints.append(
            f"The test split has {test} positive rows, so its intervals are wide. Raise "
            "split.test, or add faults."
        )
    return hints


def _excluded_columns(config: Config) -> list[str]:
    """Says how many columns of numbers are no features, if they are most of them."""
    path = config.schema_path
    if path is None or not path.is_file():
        return []
    schema = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    own = OWN_COLUMNS if config.data.recordings is not None else ()
    numbers = [
        entry.name
        for entry in schema.feature
        if entry.type in (schema_pb2.INT, schema_pb2.FLOAT)
        and entry.name not in (config.label.column, *own)
    ]
    unused = sorted(set(numbers) - set(raw_feature_names(config.features)))
    if len(unused) <= len(numbers) / 2:
        return []
    named = ", ".join(f"`{name}`" for name in unused[:5])
    more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
    return [
        f"{len(unused)} of {len(numbers)} columns of numbers are no features ({named}{more}). The "
        "config's comments say why; add those that are known before the fault."
    ]
