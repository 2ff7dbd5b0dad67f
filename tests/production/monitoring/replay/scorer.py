"""A network of two layers with random weights, served and recorded by the embedded server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.options import ServerOptions
from serving.server import ModelServer
from tests.serving.tiny_models import SERVING, signature, tf1, write

NAME, VERSION, THRESHOLD = "pump", 3, 0.5
NUM_SAMPLES = 64


def network(path: Path) -> Path:
    """A network of `pressure`, `maker`, `measured_at` and the signal `current`."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> Any:
        return tf.constant(rng.normal(0, 0.2, shape).astype(np.float32))

    def build() -> dict[str, Any]:
        raw = {
            "pressure": tf1.placeholder(tf.float32, [None], "pressure"),
            "maker": tf1.placeholder(tf.string, [None], "maker"),
            "measured_at": tf1.placeholder(tf.int64, [None], "measured_at"),
            "current": tf1.placeholder(tf.float32, [None, NUM_SAMPLES], "current"),
        }
        is_missing = tf.math.is_nan(raw["pressure"])
        columns = [
            tf.where(is_missing, tf.zeros_like(raw["pressure"]), raw["pressure"])[:, tf.newaxis],
            tf.cast(tf.equal(raw["maker"], "acme"), tf.float32)[:, tf.newaxis],
            tf.cast(raw["measured_at"] % 86_400, tf.float32)[:, tf.newaxis] / 86_400,
            raw["current"],
        ]
        hidden = tf.nn.relu(tf.concat(columns, axis=1) @ weights(NUM_SAMPLES + 3, 96))
        hidden = tf.nn.relu(hidden @ weights(96, 48))
        probability = tf.sigmoid(hidden @ weights(48, 1))
        outputs = {
            "probability": probability,
            "decision": tf.cast(probability > THRESHOLD, tf.int64),
        }
        return {SERVING: signature(raw, outputs)}

    write(path, build)
    info = {
        "threshold": THRESHOLD,
        "inputs": ["pressure", "maker", "measured_at", "current"],
        "reading": {"times": ["measured_at"], "columns": {}},
    }
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "model_info.json").write_text(json.dumps(info))
    return path


def rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows of raw columns; some have no pressure or no maker."""
    rng = np.random.default_rng(seed)
    return [
        {
            "pressure": None if number % 7 == 3 else float(rng.normal()),
            "maker": None if number % 5 == 2 else ("acme", "other")[number % 2],
            "measured_at": 1_700_000_000 + 977 * number,
            "current": rng.normal(size=NUM_SAMPLES).astype(np.float32).tolist(),
        }
        for number in range(count)
    ]


@contextmanager
def recording_server(output: Path, **options: Any) -> Iterator[str]:
    """Serves the network in an output folder and records there; yields the address of gRPC."""
    config = output / "collect.json"
    config.write_text(json.dumps(options.pop("collect", {})))
    flags = ServerOptions(
        port=0,
        model_name=NAME,
        model_base_path=str(output / "serving" / NAME),
        collect_dir=str(output / "collected"),
        collect_config=str(config),
        **options,
    )
    with ModelServer(flags) as server:
        yield f"grpc://127.0.0.1:{server.grpc_port}"
