"""Predictions for every example, and the ranking by loss."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.example_files import read_examples
from models.exporting.export import SERVE_EXAMPLES, load_in_session
from pipeline.components.error_analyzer.analysis import cross_entropy, suspect_labels

Floats = NDArray[np.float64]


def read_and_ask(
    files: list[str], model: Path, *, leave_out: Sequence[str] = ()
) -> tuple[pa.Table, Floats, NDArray[np.int64]]:
    """Returns the examples as a table of lists, with the model's answers.

    Args:
        files: Gzip TFRecords of tf.Examples.
        model: The SavedModel.
        leave_out: Columns that the table does not need, such as files.

    Returns:
        The table, with `BLOCK_COLUMN` if the split is by blocks; probabilities float64 `[n]`;
        decisions int64 `[n]`.
    """
    ask = load_in_session(model, SERVE_EXAMPLES)
    batches, probabilities, decisions = [], [], []
    for serialised, batch in read_examples(*files, with_block=True):
        kept = batch.select([name for name in batch.schema.names if name not in leave_out])
        # The decoder gives all columns one owner: as long as one of them lives, the files do.
        own = kept.take(pa.array(range(batch.num_rows))) if leave_out else kept
        batches.append(pa.Table.from_batches([own]))
        answer = ask({"examples": serialised})
        probabilities.append(answer["probability"][:, 0])
        decisions.append(answer["decision"][:, 0])
    # A column without any value in a batch has the null type there.
    table = pa.concat_tables(batches, promote_options="permissive")
    return table, np.concatenate(probabilities).astype(float), np.concatenate(decisions)


def rank_errors(
    scalars: pa.Table,
    label: str,
    probability: Floats,
    decision: NDArray[np.int64],
    troubles: Mapping[str, NDArray[np.bool_]],
) -> pa.Table:
    """Returns the examples in descending order of loss.

    Args:
        scalars: The scalar columns, the label among them.
        label: The label column.
        probability: `[n]`, the model's.
        decision: `[n]`, the model's.
        troubles: Recording troubles: name to `[n]`.

    Returns:
        `rank` from 1, `row` in the split from 0, `label`, `probability`, `decision`, `loss` in
        nats, `suspected_label`, `troubles`, and the other scalar columns.
    """
    labels = scalars.column(label).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)
    losses = cross_entropy(labels, probability)
    order = np.argsort(-losses, kind="stable")
    names = np.array(list(troubles) or [""])
    flags = np.stack(list(troubles.values())) if troubles else np.zeros((1, len(labels)), bool)
    found = [names[flags[:, row]].tolist() for row in order]
    ranked: dict[str, Any] = {
        "rank": np.arange(1, len(order) + 1),
        "row": order,
        "label": labels[order],
        "probability": probability[order],
        "decision": decision[order],
        "loss": losses[order],
        "suspected_label": suspect_labels(labels, probability)[order],
        "troubles": pa.array(found, pa.list_(pa.string())),
    }
    others = {
        name: scalars.column(name).combine_chunks().take(pa.array(order))
        for name in scalars.column_names
        if name != label and name not in ranked
    }
    return pa.table(ranked | others)


def losses_in_order(ranked: pa.Table) -> tuple[Floats, NDArray[np.bool_]]:
    """Returns losses and wrong decisions `[n]`, in the order of the split's rows."""
    order = np.argsort(ranked["row"].to_numpy())
    wrong = ranked["decision"].to_numpy() != ranked["label"].to_numpy()
    return ranked["loss"].to_numpy()[order], wrong[order]
