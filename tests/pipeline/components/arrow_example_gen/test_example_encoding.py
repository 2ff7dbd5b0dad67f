import numpy as np
import pyarrow as pa
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipeline.components.arrow_example_gen.example_encoding import encode_batch
from pipeline.reading import values

ints = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 200)
floats = st.floats(width=32)
texts = st.binary(max_size=6) | st.sampled_from([b"x" * 127, b"x" * 128, b"y" * 20_000])
kinds = {
    pa.int64(): st.none() | ints,
    pa.float32(): st.none() | floats,
    pa.binary(): st.none() | texts,
    pa.large_list(pa.int64()): st.none() | st.lists(ints, max_size=40),
    pa.large_list(pa.float32()): st.none() | st.lists(floats, max_size=40),
    pa.large_list(pa.binary()): st.none() | st.lists(texts, max_size=3),
    pa.null(): st.none(),
}


@st.composite
def batches(draw):
    num_rows = draw(st.integers(1, 6))
    names = draw(st.lists(st.text("abé☃-", max_size=3), min_size=1, max_size=5, unique=True))
    columns = []
    for _ in names:
        kind = draw(st.sampled_from(list(kinds)))
        rows = draw(st.lists(kinds[kind], min_size=num_rows, max_size=num_rows))
        columns.append(pa.array(rows, kind))
    return pa.RecordBatch.from_arrays(columns, names=names)


def as_lists(column):
    """A column as TFX's encoder takes it, with an empty list for a missing value."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_list(pa.int64()))
    if pa.types.is_large_list(column.type):
        lengths = np.asarray(column.value_lengths().fill_null(0), np.int64)
        return values.lists_of(column.flatten(), lengths)
    return values.lists_of(column.drop_null(), np.asarray(column.is_valid()).astype(np.int64))


@settings(max_examples=300, deadline=None)
@given(batches(), st.integers(0, 3))
def test_the_bytes_are_those_of_tfxs_encoder_with_the_features_in_order(batch, start):
    batch = batch.slice(min(start, batch.num_rows - 1))
    lists = [as_lists(column) for column in batch.columns]
    encoder = RecordBatchToExamplesEncoder()
    expected = [
        tf.train.Example.FromString(encoded).SerializeToString(deterministic=True)
        for encoded in encoder.encode(pa.RecordBatch.from_arrays(lists, batch.schema.names))
    ]
    assert encode_batch(batch) == expected


def test_no_rows_are_no_examples():
    assert encode_batch(pa.RecordBatch.from_pylist([], schema=pa.schema({"a": pa.int64()}))) == []
