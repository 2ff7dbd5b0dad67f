"""A model with the signatures and outputs of an exported one, in a few operations."""

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.serving.tiny_models import SERVING, signature, tf1, write

NAME = "pumps"
THRESHOLD = 0.5
NUM_SAMPLES = 4


def pump(path: Path) -> Path:
    """probability = sigmoid(pressure); decision = 1 where it is above 0.5.

    Raw columns: `pressure` float, `maker` text, `code` int64, `measured_at` int64 (a time), `key`
    text (a name that every record has, too), and the signal `current` float [-1, 4].
    `serving_default` takes them by name, `serve_examples` takes tf.Examples.
    """

    def outputs(pressure: Any, *others: Any) -> dict[str, Any]:
        used = tf.add_n([0 * tf.cast(tf.shape(other)[0], tf.float32) for other in others])
        probability = tf.sigmoid(pressure + used)
        return {
            "probability": probability,
            "decision": tf.cast(probability > THRESHOLD, tf.int64),
        }

    def build() -> dict[str, Any]:
        floats, texts, ints = tf.float32, tf.string, tf.int64
        raw = {
            "pressure": tf1.placeholder(floats, [None], "pressure"),
            "maker": tf1.placeholder(texts, [None], "maker"),
            "code": tf1.placeholder(ints, [None], "code"),
            "measured_at": tf1.placeholder(ints, [None], "measured_at"),
            "key": tf1.placeholder(texts, [None], "key"),
            "current": tf1.placeholder(floats, [None, NUM_SAMPLES], "current"),
        }
        examples = tf1.placeholder(texts, [None], "examples")
        parsed = tf1.io.parse_example(
            examples, {"pressure": tf1.io.FixedLenFeature([], floats, default_value=0.0)}
        )
        return {
            SERVING: signature(raw, outputs(*raw.values())),
            "serve_examples": signature(
                {"examples": examples}, outputs(parsed["pressure"], examples)
            ),
        }

    write(path, build)
    info = {
        "threshold": THRESHOLD,
        "inputs": ["pressure", "maker", "code", "measured_at", "key", "current"],
        "reading": {"times": [], "columns": {"measured_at": {"type": "time", "elapsed": None}}},
    }
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "model_info.json").write_text(json.dumps(info))
    return path


def row(pressure: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A row of raw columns, as `serving.client` takes it."""
    values = {
        "pressure": pressure,
        "maker": "acme",
        "code": 7,
        "measured_at": 1_700_000_000,
        "key": "k",
        "current": [1.0, 2.0, 3.0, 4.0],
    }
    return values | changes


def example(values: dict[str, Any]) -> bytes:
    """A row as a serialised tf.Example; None is left out."""
    kinds: dict[type, tuple[str, Any]] = {
        float: ("float_list", tf.train.FloatList),
        int: ("int64_list", tf.train.Int64List),
        bytes: ("bytes_list", tf.train.BytesList),
    }
    features = {}
    for name, value in values.items():
        items = value if isinstance(value, list) else [] if value is None else [value]
        items = [item.encode() if isinstance(item, str) else item for item in items]
        if items:
            field, kind = kinds[type(items[0])]
            features[name] = tf.train.Feature(**{field: kind(value=items)})
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(message.SerializeToString())
