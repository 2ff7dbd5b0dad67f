"""SavedModels of a few operations, each with one property that a server must handle.

All are written by TensorFlow 1's builder: quick, and with exactly the signatures written here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

tf1 = tf.compat.v1
PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
SERVING = "serving_default"


def write(
    path: Path, build: Callable[[], dict[str, Any]], *, saved: Sequence[str] | None = None
) -> Path:
    """Writes the graph that `build` makes, with the signatures it returns.

    Args:
        path: The version's folder, such as `models/half/1`; not there yet.
        build: Called in an empty graph.
        saved: Names of the variables to save; all by default.
    """
    with tf.Graph().as_default(), tf1.Session() as session:
        signatures = build()
        session.run([tf1.global_variables_initializer(), tf1.tables_initializer()])
        variables = [v for v in tf1.global_variables() if saved is None or v.op.name in saved]
        builder = tf1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map=signatures,
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
            main_op=tf1.tables_initializer(),
            saver=tf1.train.Saver(variables) if variables else None,
        )
        builder.save()
    return path


def signature(inputs: dict[str, Any], outputs: dict[str, Any], method: str = PREDICT) -> Any:
    info = tf1.saved_model.build_tensor_info
    return tf1.saved_model.build_signature_def(
        {name: info(tensor) for name, tensor in inputs.items()},
        {name: info(tensor) for name, tensor in outputs.items()},
        method,
    )


def half_plus_two(path: Path, *, offset: float = 2.0) -> Path:
    """y = x / 2 + 2, as Predict, Classify and Regress.

    `serving_default`: x float [-1] -> y float [-1]. The others take tf.Examples with a float
    feature `x` (required), as string [-1] named `inputs`:
    `classify_x_to_y` -> `scores` float [-1, 1]; `classify_classes` -> `classes` string [-1, 2]
    (low, high) and `scores` float [-1, 2]; `regress_x_to_y` -> `outputs` float [-1, 1];
    `regress_x_to_y2` (y + 1) -> `outputs`.
    """

    def build() -> dict[str, Any]:
        a = tf1.get_variable("a", initializer=0.5, use_resource=True)
        b = tf1.get_variable("b", initializer=offset, use_resource=True)
        x = tf1.placeholder(tf.float32, [None], "x")
        examples = tf1.placeholder(tf.string, [None], "tf_example")
        parsed = tf1.io.parse_example(examples, {"x": tf1.io.FixedLenFeature([1], tf.float32)})
        y = tf.add(a * parsed["x"], b, name="y_of_examples")
        classes = tf.tile([["low", "high"]], [tf.shape(y)[0], 1])
        both = tf.concat([-y, y], axis=1)
        return {
            SERVING: signature({"x": x}, {"y": tf.add(a * x, b, name="y")}),
            "classify_x_to_y": signature({"inputs": examples}, {"scores": y}, CLASSIFY),
            "classify_classes": signature(
                {"inputs": examples}, {"classes": classes, "scores": both}, CLASSIFY
            ),
            "regress_x_to_y": signature({"inputs": examples}, {"outputs": y}, REGRESS),
            "regress_x_to_y2": signature({"inputs": examples}, {"outputs": y + 1}, REGRESS),
        }

    return write(path, build)


def native(path: Path) -> Path:
    """Signatures over texts that no method name of TensorFlow Serving describes.

    Each takes `inputs` string [-1]; a value is the length of the text. Regress: `predict_method`,
    `no_method`, and by their own method names `left` and `right`, whose inputs are different
    placeholders (`right` adds 10). Classify: `scores` float [-1, 1], by the method of Predict.
    Unfit answers: `uneven` has classes [-1, 1] and scores [-1, 2]; `wide` outputs float [-1, 2];
    `whole` outputs int32 [-1]; `flat` scores float [-1]. `no_input`: y float [2], without inputs.
    """

    def build() -> dict[str, Any]:
        left = tf1.placeholder(tf.string, [None], "left")
        right = tf1.placeholder(tf.string, [None], "right")
        whole = tf.strings.length(left)
        number = tf.cast(whole, tf.float32)
        column = number[:, tf.newaxis]
        wide = tf.concat([column, column], axis=1)
        other = tf.cast(tf.strings.length(right), tf.float32) + 10
        inputs = {"inputs": left}
        return {
            "predict_method": signature(inputs, {"outputs": number}),
            "no_method": signature(inputs, {"outputs": number}, ""),
            "left": signature(inputs, {"outputs": number}, REGRESS),
            "right": signature({"inputs": right}, {"outputs": other}, REGRESS),
            "scores": signature(inputs, {"scores": column}),
            "uneven": signature(inputs, {"classes": left[:, tf.newaxis], "scores": wide}),
            "wide": signature(inputs, {"outputs": wide}),
            "whole": signature(inputs, {"outputs": whole}),
            "flat": signature(inputs, {"scores": number}),
            "no_input": signature({}, {"y": tf.constant([1.0, 2.0])}),
        }

    return write(path, build)


def mixed(path: Path) -> Path:
    """Several inputs and outputs of several types, each with a batch.

    `serving_default`: f float [-1, 2], d double [-1], i32 int32 [-1], i64 int64 [-1],
    flag bool [-1], text string [-1] -> sum double [-1] (all numbers added), flipped bool [-1],
    text_bytes string [-1] and text string [-1] (both as sent), row float [-1, 2] (as sent).
    """

    def build() -> dict[str, Any]:
        f = tf1.placeholder(tf.float32, [None, 2], "f")
        d = tf1.placeholder(tf.float64, [None], "d")
        i32 = tf1.placeholder(tf.int32, [None], "i32")
        i64 = tf1.placeholder(tf.int64, [None], "i64")
        flag = tf1.placeholder(tf.bool, [None], "flag")
        text = tf1.placeholder(tf.string, [None], "text")
        numbers = [tf.cast(tf.reduce_sum(f, 1), tf.float64), d]
        numbers += [tf.cast(i32, tf.float64), tf.cast(i64, tf.float64)]
        outputs = {
            "sum": tf.add_n(numbers),
            "flipped": tf.logical_not(flag),
            "text": tf.identity(text),
            "text_bytes": tf.identity(text),
            "row": tf.identity(f),
        }
        inputs = {"f": f, "d": d, "i32": i32, "i64": i64, "flag": flag, "text": text}
        return {SERVING: signature(inputs, outputs)}

    return write(path, build)


def echo(path: Path, dtype: tf.DType, shape: Sequence[int | None] | None = (None,)) -> Path:
    """`serving_default`: x -> y, as sent, of the asked-for type and shape."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(dtype, shape, "x")
        return {SERVING: signature({"x": x}, {"y": tf.identity(x, name="y")})}

    return write(path, build)


def two_outputs(path: Path) -> Path:
    """`serving_default`: x float [-1] -> same float [-1] and first float [1]: unequal batches."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        return {SERVING: signature({"x": x}, {"same": tf.identity(x), "first": x[:1]})}

    return write(path, build)


def scalar_output(path: Path) -> Path:
    """`serving_default`: x float [-1] -> y float [], their sum."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        return {SERVING: signature({"x": x}, {"y": tf.reduce_sum(x, name="y")})}

    return write(path, build)


def matrix(path: Path) -> Path:
    """`serving_default`: x float [-1, -1] times a [3, 1] matrix of ones -> y float [-1, 1].

    Two columns instead of three are an error of the graph, not of the signature.
    """

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None, None], "x")
        w = tf1.get_variable("w", initializer=tf.ones([3, 1]), use_resource=True)
        return {SERVING: signature({"x": x}, {"y": tf.matmul(x, w, name="y")})}

    return write(path, build)


def with_asset(path: Path, words: Sequence[str] = ("zero", "one", "two")) -> Path:
    """`serving_default`: word string [-1] -> index int64 [-1] by a vocabulary file, else -1."""
    source = path.parent / f"words-of-{path.name}.txt"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("\n".join(words) + "\n", encoding="utf-8")

    def build() -> dict[str, Any]:
        word = tf1.placeholder(tf.string, [None], "word")
        file = tf.constant(str(source))
        table = tf1.lookup.StaticHashTable(
            tf1.lookup.TextFileInitializer(
                file,
                tf.string,
                tf1.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf1.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )
        return {SERVING: signature({"word": word}, {"index": table.lookup(word)})}

    write(path, build)
    source.unlink()
    return path


def missing_variable(path: Path) -> Path:
    """Loads, and answers FAILED_PRECONDITION: `lost` was never saved, as with Keras 3's layers."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        kept = tf1.get_variable("kept", initializer=1.0, use_resource=True)
        lost = tf1.get_variable("lost", initializer=1.0, use_resource=True)
        return {SERVING: signature({"x": x}, {"y": x * kept + lost})}

    return write(path, build, saved=["kept"])


def slow(path: Path, *, num_rounds: int = 2_000_000) -> Path:
    """`serving_default`: x float [-1] -> y float [-1], as sent, after a long loop in the graph."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        rounds = tf.while_loop(lambda i: i < num_rounds, lambda i: i + 1, [tf.constant(0)])
        with tf.control_dependencies([tf.identity(rounds)]):
            return {SERVING: signature({"x": x}, {"y": tf.identity(x, name="y")})}

    return write(path, build)


def gated(path: Path) -> Path:
    """`serving_default`: x string [-1] -> y string [-1], as sent, once the test allows it.

    The first text of x is the path of a gate: the run creates the file `GATE.reached`, and ends
    once the files `GATE.open0` to `GATE.open9` exist.
    """

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.string, [None], "x")
        gate = x[0]
        reached = tf1.io.write_file(gate + ".reached", "")

        def is_closed(i: Any) -> Any:  # the name depends on i: TensorFlow would look only once
            file = gate + ".open" + tf.strings.as_string(i % 10)
            return tf.equal(tf.size(tf1.matching_files(file)), 0)

        with tf.control_dependencies([reached]):
            start = tf.identity(tf.constant(0))
        looks = tf1.while_loop(is_closed, lambda i: i + 1, [start])
        with tf.control_dependencies([looks]):
            return {SERVING: signature({"x": x}, {"y": tf.identity(x, name="y")})}

    return write(path, build)


def broken(path: Path) -> Path:
    """A version whose `saved_model.pb` cannot be parsed."""
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"this is no protocol buffer")
    return path


def hanging(path: Path) -> Path:
    """`serving_default`: x float [-1] -> y float [-1], which waits for ever if x starts with -1.

    The run takes no CPU while it waits, and ends with the session or its own timeout.
    """

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], "x")
        queue = tf1.FIFOQueue(1, [tf.float32], shapes=[[]])
        waited = tf.cond(tf.equal(x[0], -1), queue.dequeue, lambda: tf.constant(0.0))
        return {SERVING: signature({"x": x}, {"y": tf.add(x, waited, name="y")})}

    return write(path, build)
