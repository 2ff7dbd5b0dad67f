import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from models.inputs.columns import stack
from models.inputs.stacks import MISSING_INT
from pipeline.components.transform.stacked_batches import stack_batch

NAN = float("nan")
STACKS = {
    "stacked_floats": ("height", "width"),
    "stacked_ints": ("count",),
    "stacked_texts": ("maker", "site"),
}
BATCH = pa.RecordBatch.from_pydict(
    {
        "maker": pa.array([[b"a"], None, [b"b\0"]], pa.large_list(pa.large_binary())),
        "width": pa.array([None, [2.5], []], pa.large_list(pa.float32())),
        "wave": pa.array([[1.0, 2.0]] * 3, pa.large_list(pa.float32())),
        "height": pa.array([[1.0], [NAN], [3.0]], pa.large_list(pa.float32())),
        "count": pa.array([[2**53 + 1], None, [-1]], pa.large_list(pa.int64())),
        "site": pa.array([None, None, None], pa.large_list(pa.large_binary())),
    }
)


def test_a_stack_holds_the_value_of_each_column_or_the_mark_of_a_missing_one():
    stacked = stack_batch(BATCH, STACKS)
    assert stacked.schema.names == [*STACKS, "wave"]
    floats = np.array(stacked.column(0).to_pylist())
    np.testing.assert_array_equal(floats, [[1, NAN], [NAN, 2.5], [3, NAN]])
    # No digit is lost on the way.
    assert stacked.column(1).to_pylist() == [[2**53 + 1], [MISSING_INT], [-1]]
    assert stacked.column(2).to_pylist() == [[b"a", b""], [b"", b""], [b"b\0", b""]]
    assert stacked.column(3).equals(BATCH.column("wave"))


def test_training_and_serving_stack_alike():
    """The same rows through Arrow, as Transform reads them, and through TensorFlow."""
    by_arrow = stack_batch(BATCH, STACKS)
    inside = [column for columns in STACKS.values() for column in columns]
    by_tensorflow = stack({name: _sparse(BATCH.column(name)) for name in inside}, STACKS)
    for number, name in enumerate(STACKS):
        expected = np.array(by_arrow.column(number).to_pylist(), object)
        if name == "stacked_floats":
            expected = expected.astype(np.float32)
        np.testing.assert_array_equal(by_tensorflow[name].numpy(), expected)


def _sparse(cells: pa.Array) -> tf.SparseTensor:
    rows = [row for row, cell in enumerate(cells.to_pylist()) if cell]
    kinds = {pa.float32(): tf.float32, pa.int64(): tf.int64, pa.large_binary(): tf.string}
    values = tf.constant(cells.flatten().to_pylist(), kinds[cells.type.value_type])
    indices = np.array([[row, 0] for row in rows], np.int64).reshape(-1, 2)
    return tf.SparseTensor(indices, values, [len(cells), 1])


def test_a_row_with_two_values_is_refused_with_its_column():
    batch = pa.RecordBatch.from_pydict({"speed": pa.array([[1.0], [1.0, 2.0]])})
    with pytest.raises(ValueError, match="Column speed has 2 values in a row"):
        stack_batch(batch, {"stacked_floats": ("speed",)})


def test_an_empty_batch_stays_empty():
    assert stack_batch(BATCH.slice(0, 0), STACKS).num_rows == 0
