"""Writes the models and config files that the contract suite serves.

`python -m tests.serving.contract.models FOLDER` fills FOLDER; `README.md` explains how to serve it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.serving import tiny_models
from tests.serving.tiny_models import CLASSIFY, REGRESS, SERVING, signature, tf1, write

ECHOES = {
    "echo_float": tf.float32,
    "echo_double": tf.float64,
    "echo_int8": tf.int8,
    "echo_uint8": tf.uint8,
    "echo_int16": tf.int16,
    "echo_int32": tf.int32,
    "echo_int64": tf.int64,
    "echo_half": tf.half,
    "echo_bfloat16": tf.bfloat16,
    "echo_complex": tf.complex64,
    "echo_string": tf.string,
}
NAMED = ("mixed", "two_outputs", "scalar_output", "matrix", "missing_variable", "native")
SPACED_NAME = "half plus two"


def features(path: Path) -> Path:
    """Regress signatures that need a feature of one kind: `of_ints` (n), `of_floats` (f)."""

    def build() -> dict[str, Any]:
        examples = tf1.placeholder(tf.string, [None], "examples")
        kinds = {"of_ints": ("n", tf.int64), "of_floats": ("f", tf.float32)}
        signatures = {}
        for name, (key, dtype) in kinds.items():
            parsed = tf1.io.parse_example(examples, {key: tf1.io.FixedLenFeature([1], dtype)})
            outputs = {"outputs": tf.cast(parsed[key], tf.float32)}
            signatures[name] = signature({"inputs": examples}, outputs, REGRESS)
        return signatures

    return write(path, build)


def two_example_inputs(path: Path) -> Path:
    """Classify and regress signatures that declare two inputs, which neither call can fill."""

    def build() -> dict[str, Any]:
        inputs = {key: tf1.placeholder(tf.string, [None], key) for key in ("left", "right")}
        y = tf.cast(tf.strings.length(inputs["left"]), tf.float32)[:, tf.newaxis]
        return {
            "classify": signature(inputs, {"scores": y}, CLASSIFY),
            "regress": signature(inputs, {"outputs": y}, REGRESS),
        }

    return write(path, build)


def to_number(path: Path) -> Path:
    """`serving_default`: text string [-1] -> number float [-1]; the error quotes the text."""

    def build() -> dict[str, Any]:
        text = tf1.placeholder(tf.string, [None], "text")
        return {SERVING: signature({"text": text}, {"number": tf.strings.to_number(text)})}

    return write(path, build)


def failures(path: Path) -> Path:
    """Signatures whose graph ends with the status that the signature is named after."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        # The answer depends on the operation: one that it does not need is optimised away.
        gives: dict[str, Callable[[], Any]] = {
            "not_found": lambda: tf.io.read_file("/no/such/file"),
            "data_loss": lambda: tf.io.decode_compressed(["no zlib"], "ZLIB"),
            "out_of_range": lambda: tf.as_string(closed_queue().dequeue()),
        }
        does: dict[str, Callable[[], Any]] = {
            "cancelled": lambda: closed_queue().enqueue([1.0]),
            # A device that is always full: errno ENOSPC.
            "resource_exhausted": lambda: tf.io.write_file(
                "/dev/full", tf.strings.reduce_join(tf.fill([100_000], "x"))
            ),
            # A file of the kernel that nobody may write: errno EACCES or EROFS.
            "permission_denied": lambda: tf.io.write_file("/proc/sys/kernel/random/boot_id", "x"),
        }
        signatures = {}
        for name, operation in gives.items():
            length = tf.reduce_sum(tf.strings.length(operation()))
            signatures[name] = signature({"x": x}, {"y": x + tf.cast(length, tf.float32)})
        for name, operation in does.items():
            with tf.control_dependencies([operation()]):
                signatures[name] = signature({"x": x}, {"y": tf.identity(x)})
        return signatures

    return write_with_closed_queues(path, build)


def closed_queue() -> Any:
    """A queue that the model's start-up operation closes."""
    queue = tf1.FIFOQueue(1, [tf.float32], shapes=[[]])
    tf1.add_to_collection("closing", queue.close())
    return queue


def write_with_closed_queues(path: Path, build: Any) -> Path:
    with tf.Graph().as_default(), tf1.Session() as session:
        signatures = build()
        builder = tf1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map=signatures,
            main_op=tf.group(*tf1.get_collection_ref("closing")),
        )
        builder.save()
    return path


def write_models(folder: Path) -> None:
    """Writes every model that the shared server of the suite serves below `folder`."""
    tiny_models.half_plus_two(folder / "half_plus_two" / "1")
    tiny_models.half_plus_two(folder / "half_plus_two" / "2", offset=3.0)
    tiny_models.half_plus_two(folder / SPACED_NAME / "1")
    tiny_models.slow(folder / "slow" / "1")
    for name in NAMED:
        getattr(tiny_models, name)(folder / name / "1")
    for name, dtype in ECHOES.items():
        tiny_models.echo(folder / name / "1", dtype)
    tiny_models.echo(folder / "grid" / "1", tf.float32, (None, None))
    for build in (features, two_example_inputs, to_number, failures):
        build(folder / build.__name__ / "1")
    write_warm_up(folder / "half_plus_two" / "2")


def write_warm_up(version: Path, *, num_requests: int = 1, signature_name: str = SERVING) -> None:
    """Writes Predict requests that a server replays before the version takes traffic."""
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature_name
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    extra = version / "assets.extra"
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for _ in range(num_requests):
            writer.write(log.SerializeToString())


def config_entry(name: str, base_path: Path | str, more: str = "") -> str:
    return (
        f'  config {{\n    name: "{name}"\n    base_path: "{base_path}"\n'
        f'    model_platform: "tensorflow"\n    {more}\n  }}\n'
    )


def model_config(entries: Mapping[str, tuple[Path | str, str]]) -> str:
    """A ModelServerConfig in text form, of base path and further fields by model name."""
    listed = "".join(config_entry(name, path, more) for name, (path, more) in entries.items())
    return "model_config_list {\n" + listed + "}\n"


def write_configs(folder: Path, *, served_from: Path | str) -> None:
    """Writes models.config, monitoring.config and batching.config into `folder`.

    Args:
        folder: Where the files go.
        served_from: The models' folder as the server sees it, such as `/models` in a container.
    """
    both = (
        "model_version_policy { specific { versions: 1 versions: 2 } }\n"
        '    version_labels { key: "stable" value: 1 }\n'
        '    version_labels { key: "release candidate" value: 2 }'
    )
    names = [SPACED_NAME, "slow", *NAMED, *ECHOES, "grid"]
    names += ["features", "two_example_inputs", "to_number", "failures"]
    entries: dict[str, tuple[Path | str, str]] = {
        "half_plus_two": (f"{served_from}/half_plus_two", both)
    }
    entries |= {name: (f"{served_from}/{name}", "") for name in names}
    (folder / "models.config").write_text(model_config(entries), encoding="utf-8")
    (folder / "monitoring.config").write_text(
        "prometheus_config { enable: true }\n", encoding="utf-8"
    )
    (folder / "batching.config").write_text(BATCHING, encoding="utf-8")


BATCHING = """\
max_batch_size { value: 4 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
allowed_batch_sizes: 2
allowed_batch_sizes: 4
pad_variable_length_inputs: true
"""


def main(folder: Path, served_from: str = "/models") -> None:
    write_models(folder)
    write_configs(folder, served_from=served_from)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
