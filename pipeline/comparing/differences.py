"""Differences between two runs in data, code, configuration and packages, from ML Metadata."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.lineage.facts import trained_facts
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.provenance import Provenance
from pipeline.lineage.runs import examples_of, run_output
from pipeline.tracking.run_record import Scalar, flatten, run_record

NOT_THERE = "-"
# Properties of `Examples` that identify the data.
_DATA_KEYS = (
    *("data_digest", "num_files", "source_files", "span", "spans", "version"),
    *("raw_path", "raw_digest", "num_raw_files"),
    *("database", "query", "order_by", "snapshot_at", "rows_digest"),
    *("num_bad_rows", "num_duplicates", "num_rows", "num_rows_train", "num_rows_eval"),
    *("num_rows_test", "num_positives_train", "num_positives_eval", "num_positives_test"),
)
_ENVIRONMENT_KEYS = ("python", "platform", "lock_digest")
_CODE_KEYS = (
    *("git_commit", "git_dirty", "code_digest", "schema_digest"),
    *("project_commit", "project_dirty"),
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference between two runs.

    Attributes:
        key: Name of the value.
        first: Value in the first run; `-` if absent.
        second: Value in the second run; `-` if absent.
    """

    key: str
    first: Scalar
    second: Scalar


@dataclass(frozen=True, kw_only=True)
class Side:
    """Inputs of one run; an empty mapping means not recorded.

    Attributes:
        run: The run.
        data: Identity of the data of its examples.
        code: Commit, whether files differed from it, digests of sources and schema.
        steps: Digest of the code of each step that has one.
        config: The configuration by dotted key.
        hyperparameters: Hyperparameters of the network, tuned or not.
        model: What the Trainer noted of the model: kind, trees, epochs, XGBoost's version, the
            choice and its figures.
        packages: Versions by package; interpreter, platform and lock file too.
    """

    run: Run
    data: Mapping[str, Scalar] = field(default_factory=dict)
    code: Mapping[str, Scalar] = field(default_factory=dict)
    steps: Mapping[str, Scalar] = field(default_factory=dict)
    config: Mapping[str, Scalar] = field(default_factory=dict)
    hyperparameters: Mapping[str, Scalar] = field(default_factory=dict)
    model: Mapping[str, Scalar] = field(default_factory=dict)
    packages: Mapping[str, Scalar] = field(default_factory=dict)


def make_side(graph: Graph, run: Run) -> Side:
    """Returns the inputs of a run."""
    examples = examples_of(graph, run)
    properties = examples.properties if examples else {}
    stamp = run.provenance
    return Side(
        run=run,
        data=dict(flatten({key: properties[key] for key in _DATA_KEYS if key in properties})),
        code=_chosen(stamp, _CODE_KEYS),
        steps={
            step.node: digest for step in run.steps if (digest := _code_digest(step.parameters))
        },
        config=dict(flatten(run.config)),
        hyperparameters=run_record(graph, run).hyperparameters,
        model=_model_facts(graph, run),
        packages=_chosen(stamp, _ENVIRONMENT_KEYS) | (dict(stamp.packages) if stamp else {}),
    )


def _model_facts(graph: Graph, run: Run) -> dict[str, Scalar]:
    model = run_output(graph, run, "Model")
    return dict(flatten(trained_facts(model))) if model else {}


def _chosen(stamp: Provenance | None, keys: tuple[str, ...]) -> dict[str, Scalar]:
    return {key: getattr(stamp, key) for key in keys} if stamp else {}


def _code_digest(parameters: Mapping[str, Any]) -> str:
    """One short digest over the digests of the files that decide a step's result."""
    custom = parameters.get("custom_config")
    nested = custom.get("code_digest") if isinstance(custom, Mapping) else None
    digests = parameters.get("code_digest") or nested
    if not isinstance(digests, Mapping):
        return str(digests or "")
    text = json.dumps(digests, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def find_differences(
    first: Mapping[str, Scalar], second: Mapping[str, Scalar]
) -> list[Difference] | None:
    """Returns the keys whose values differ or that one side lacks, in the order of the keys.

    Returns None if nothing was recorded for one side.
    """
    if not first or not second:
        return None
    return [
        Difference(key=key, first=first.get(key, NOT_THERE), second=second.get(key, NOT_THERE))
        for key in sorted(set(first) | set(second))
        if first.get(key) != second.get(key)
    ]
