"""The layout and the reading of an Examples artifact."""

import subprocess
import sys

import pytest

from common.example_files import (
    read_batches,
    read_examples,
    read_groups,
    read_serialised,
    split_files,
    split_folder,
)
from tests.example_files import write_split

pytestmark = pytest.mark.tensorflow


def example(**columns):
    import tensorflow as tf

    made = tf.train.Example()
    for name, value in columns.items():
        made.features.feature[name].int64_list.value.append(value)
    return made.SerializeToString()


@pytest.fixture
def files(tmp_path):
    """Rows 0 to 2 in one file and row 3 in another."""
    write_split(tmp_path, "train", [example(row=3)], shard=1, num_shards=2)
    write_split(tmp_path, "train", [example(row=i, other=9) for i in range(3)], num_shards=2)
    return split_files(str(tmp_path), "train")


def test_files_come_in_order_and_hidden_drafts_not_at_all(files, tmp_path):
    (tmp_path / "Split-train" / ".data.gz.draft").touch()
    names = ["data_tfrecord-00000-of-00002.gz", "data_tfrecord-00001-of-00002.gz"]
    folder = split_folder(str(tmp_path), "train")
    assert split_files(str(tmp_path), "train") == [f"{folder}/{name}" for name in names]
    assert split_files(str(tmp_path), "eval") == []


def test_batches_go_on_from_one_file_to_the_next(files):
    sizes = [len(batch) for batch in read_serialised(*files, batch_rows=2)]
    assert sizes == [2, 2]
    rows = [batch.column("row").to_pylist() for batch in read_batches(*files, batch_rows=3)]
    assert rows == [[[0], [1], [2]], [[3]]]


def test_a_row_is_the_same_serialised_and_decoded(files):
    [(serialised, batch)] = read_examples(*files)
    assert serialised.tolist()[3] == example(row=3)
    assert batch.column("row").to_pylist()[3] == [3]


def test_equal_values_are_one_group_and_missing_ones_too(tmp_path):
    rows = [example(machine=7), example(machine=3), example(other=1), example(machine=7), example()]
    write_split(tmp_path, "eval", rows)
    files = split_files(str(tmp_path), "eval")
    assert read_groups(*files, column="machine").tolist() == [0, 1, 2, 0, 2]


def test_a_schema_chooses_the_columns(files):
    from tensorflow_metadata.proto.v0 import schema_pb2

    feature = schema_pb2.Feature(name="other", type=schema_pb2.INT)
    schema = schema_pb2.Schema(feature=[feature]).SerializeToString()
    [batch] = read_batches(*files, schema=schema)
    assert batch.schema.names == ["other"]
    assert batch.column("other").to_pylist() == [[9], [9], [9], None]


def test_the_module_imports_no_tensorflow():
    code = "import sys, common.example_files; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_batches_of_large_examples_have_fewer_rows(tmp_path):
    import tensorflow as tf

    large = tf.train.Example()
    large.features.feature["file"].bytes_list.value.append(bytes(2**20))
    write_split(tmp_path, "train", [large.SerializeToString()] * 70)
    files = split_files(str(tmp_path), "train")
    # 32 MiB hold 31 examples of a little more than 1 MiB; 70 of them are less than 128 MiB.
    assert [len(batch) for batch in read_serialised(*files)] == [31, 31, 8]
    assert [len(batch) for batch in read_serialised(*files, batch_rows=70)] == [70]
