"""A trainer whose model answers "healthy" whatever it is asked.

A test puts this file in place of `models/training/trainer.py` in a copy of the project.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from models.exporting.export import EVAL_PREDICTIONS_FILE


class AlwaysHealthy(tf.Module):  # type: ignore[misc]
    """Probability 0 and decision 0 for every example."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = tf.stack([tf.size(examples), 1])
        return {"probability": tf.zeros(shape), "decision": tf.zeros(shape, tf.int64)}


def run_fn(fn_args: Any) -> None:
    model = AlwaysHealthy()
    tf.saved_model.save(
        model,
        fn_args.serving_model_dir,
        signatures={"serve_examples": model.serve_examples.get_concrete_function()},
    )
    metrics = {"eval_pr_auc": 0.0, "best_epoch": 1, "epochs": 1, "threshold": 0.5}
    folder = Path(fn_args.model_run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "eval_metrics.json").write_text(json.dumps(metrics))
    files = [path for pattern in fn_args.eval_files for path in tf.io.gfile.glob(pattern)]
    num_examples = sum(1 for _ in tf.data.TFRecordDataset(files, compression_type="GZIP"))
    table = pa.table({"probability": np.zeros(num_examples)})
    pq.write_table(table, folder / EVAL_PREDICTIONS_FILE)
