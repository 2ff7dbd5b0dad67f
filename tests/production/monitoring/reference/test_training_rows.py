"""The train split is sampled as requests have it."""

import numpy as np
import pytest
import tensorflow as tf

from common.example_files import BLOCK_COLUMN
from models.features import Categorical, Numeric, Signal, Time
from models.inputs.stacks import MISSING_INT
from models.model_spec import FoldRule, ModelSpec
from models.train_options import TrainOptions
from production.monitoring.reference.training_rows import sample_training_rows

FEATURES = {
    "pressure": Numeric(),
    "valve": Categorical(),
    "maker": Categorical(),
    "started": Time(),
    "trace": Signal(num_samples=2),
    "unknown": Numeric(),
}
NUM_ROWS = 100


def spec(**values):
    return ModelSpec(label="failed", features=FEATURES, train=TrainOptions(), **values)


def feature(values):
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(number):
    columns = {
        "pressure": [] if number == 3 else [float(number)],
        "valve": [MISSING_INT] if number == 4 else [number % 3],
        "maker": [b"M\xc3\xbcller"],
        "started": [1_700_000_000 + number],
        "trace": [1.0, float(number)],
        "failed": [int(number < 10)],
        "machine": [f"m{number // 4}".encode()],
        BLOCK_COLUMN: [number // 10],
    }
    features = {name: feature(values) for name, values in columns.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("train") / "part.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number in range(NUM_ROWS):
            writer.write(example(number))
    return path


def test_a_small_split_is_taken_whole(file):
    rows = sample_training_rows([file], spec(), most_values=1_000_000)
    assert (rows.num_rows, rows.num_faults, rows.columns.num_rows) == (100, 10, 100)
    pressure = rows.columns.numbers["pressure"]
    assert np.isnan(pressure[3])
    np.testing.assert_array_equal(np.delete(pressure, 3), np.delete(np.arange(100.0), 3))
    # 0, 1, 2 in turn, and the fifth one, a 1, is missing.
    assert rows.columns.categories["valve"].counts() == {"0": 34, "1": 32, "2": 33}
    assert rows.columns.categories["maker"].names == ("Müller",)
    assert rows.columns.times["started"][:2].tolist() == [1_700_000_000, 1_700_000_001]
    assert rows.columns.numbers["trace: maximum"][5] == 5.0
    assert rows.columns.missing["unknown"].all()
    assert rows.groups is None


def test_a_large_split_is_sampled_in_order_and_the_same_way_again(file):
    few = [sample_training_rows([file], spec(seed=s), most_values=1_000) for s in (1, 1, 2)]
    pressures = [rows.columns.numbers["pressure"] for rows in few]
    assert few[0].num_rows == 100
    assert 20 <= few[0].columns.num_rows < 60
    assert (np.diff(pressures[0][~np.isnan(pressures[0])]) > 0).all()
    np.testing.assert_array_equal(pressures[0], pressures[1])
    assert len(pressures[2]) != len(pressures[0]) or (pressures[2] != pressures[0]).any()


@pytest.mark.parametrize(
    ("folds", "num_groups"),
    [
        (FoldRule(strategy="group", column="machine"), 25),
        (FoldRule(strategy="blocks", column=BLOCK_COLUMN), 10),
    ],
)
def test_groups_and_blocks_of_the_split_are_kept(file, folds, num_groups):
    rows = sample_training_rows([file], spec(folds=folds), most_values=1_000_000)
    assert len(np.unique(rows.groups)) == num_groups
    assert (np.diff(rows.groups) >= 0).all()


def test_features_that_are_not_recorded_are_left_out(file):
    rows = sample_training_rows([file], spec(), most_values=1_000_000, skip=("pressure",))
    assert "pressure" not in rows.columns.numbers
