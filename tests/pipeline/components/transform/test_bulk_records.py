import apache_beam as beam
import pyarrow as pa
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from models.inputs.stacks import stacked_schema
from pipeline.components.transform.bulk_records import BulkExampleRecord
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

SCHEMA = text_format.Parse(
    """
    feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape {} }
    feature { name: "maker" type: BYTES value_count { max: 1 } }
    feature { name: "label" type: INT presence { min_fraction: 1 } shape {} }
    """,
    schema_pb2.Schema(),
)


def _example(row):
    feature = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[row / 2])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[row % 2])),
    }
    if row % 3:  # a missing value
        text = f"maker {row % 5}".encode()
        feature["maker"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("examples")
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for file in range(3):
        with tf.io.TFRecordWriter(str(path / f"data-{file}.gz"), options) as writer:
            for row in range(file * 4_000, (file + 1) * 4_000):
                writer.write(_example(row))
    return path


def _source(*, file_pattern, schema, stacks=None):
    return BulkExampleRecord(
        on_read=lambda: None,
        examples_schema=SCHEMA,
        stacks=stacks or {},
        file_pattern=file_pattern,
        schema=schema,
        telemetry_descriptors=["test"],
    )


def _read(source, batch_size, path):
    """All rows of a TFXIO, sorted, and the sizes of its batches."""
    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGS))) as pipeline:
        batches = pipeline | source.BeamSource(batch_size)
        table = batches | beam.combiners.ToList()
        # A check within the pipeline: it is in this process, and writes what it saw.
        assert_that(table, lambda found: _write(found[0], path))
    read = pa.ipc.open_file(path / "batches.arrow")
    sizes = [read.get_batch(i).num_rows for i in range(read.num_record_batches)]
    rows = sorted(read.read_all().to_pylist(), key=_value)
    return rows, sizes, read.schema


def _value(row):
    """The row's own number, or its text where that column was not read."""
    for name in ("x", "stacked_floats", "stacked_texts"):
        if name in row:
            return row[name][0]
    raise KeyError(row)


def _write(batches, path):
    with pa.ipc.new_file(path / "batches.arrow", batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def test_the_rows_are_those_of_tfx_bsl_in_large_batches(folder, tmp_path):
    arguments = {"file_pattern": [str(folder / "data-*")], "schema": SCHEMA}
    stock = TFExampleRecord(**arguments, telemetry_descriptors=["test"])
    bulk = _source(**arguments)

    expected, _, expected_schema = _read(stock, None, tmp_path)
    rows, sizes, schema = _read(bulk, None, tmp_path)

    assert rows == expected
    assert len(rows) == 12_000
    assert schema.equals(expected_schema)
    assert sizes == [4_000] * 3


def test_a_batch_size_that_is_asked_for_is_kept(folder, tmp_path):
    source = _source(file_pattern=[str(folder / "data-0.gz")], schema=SCHEMA)

    _, sizes, _ = _read(source, 1_500, tmp_path)

    assert sizes == [1_500, 1_500, 1_000]


def test_a_projection_reads_only_what_is_asked_for(folder, tmp_path):
    source = _source(file_pattern=[str(folder / "data-0.gz")], schema=SCHEMA)

    projected = source.Project(["x"])
    rows, sizes, _ = _read(projected, None, tmp_path)

    assert rows[3] == {"x": [1.5]}
    assert sizes == [4_000]


def test_stacked_columns_are_those_of_the_stacked_schema_and_so_are_their_types(folder, tmp_path):
    stacks = {"stacked_floats": ("x",), "stacked_texts": ("maker",)}
    source = _source(
        file_pattern=[str(folder / "data-0.gz")],
        schema=stacked_schema(SCHEMA, stacks, {"label"}),
        stacks=stacks,
    )

    rows, _, schema = _read(source, None, tmp_path)
    assert {name: schema.field(name).type for name in schema.names} == {
        field.name: field.type for field in source.ArrowSchema()
    }
    assert rows[3] == {"stacked_floats": [1.5], "stacked_texts": [b""], "label": [1]}

    projected, _, _ = _read(source.Project(["stacked_texts"]), None, tmp_path)
    assert sorted(projected[0]) == ["stacked_texts"]
