"""Statistics of record batches, whole and in parts."""

import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.components.statistics_gen.statistics import StatisticsCombineFn, with_digests

# Two of three trips have a length; 1, 3 and 5 in one column, "a", "b", "a" in the other.
BATCH = pa.record_batch(
    {
        "miles": pa.array([[1.0], [], [5.0]], pa.list_(pa.float32())),
        "kind": pa.array([[b"a"], [b"b"], [b"a"]], pa.list_(pa.binary())),
    }
)


def statistics_of(*parts: list[pa.RecordBatch]):
    """The statistics of accumulators that each saw some batches, by column."""
    combine = StatisticsCombineFn()
    combine.setup()
    accumulators = []
    for batches in parts:
        accumulator = combine.create_accumulator()
        for batch in batches:
            accumulator = combine.add_input(accumulator, batch)
        accumulators.append(accumulator)
    [dataset] = combine.extract_output(combine.merge_accumulators(accumulators)).datasets
    return dataset.num_examples, {feature.path.step[0]: feature for feature in dataset.features}


def test_counts_moments_and_top_values():
    num_examples, features = statistics_of([BATCH])
    assert num_examples == 3
    miles = features["miles"].num_stats
    assert (miles.common_stats.num_non_missing, miles.common_stats.tot_num_values) == (2, 2)
    # Mean of 1 and 5 is 3, population standard deviation 2.
    assert (miles.mean, miles.std_dev) == pytest.approx((3, 2))
    top = [(value.value, value.frequency) for value in features["kind"].string_stats.top_values]
    assert top == [("a", 2), ("b", 1)]
    assert features["kind"].string_stats.unique == 2


def test_parts_merge_to_the_statistics_of_the_whole():
    rows = [BATCH.slice(i, 1) for i in range(3)]
    whole, merged = statistics_of([BATCH]), statistics_of([rows[0]], [], rows[1:])
    assert merged == whole


def test_a_column_that_one_part_lacks_counts_as_missing_there():
    without = pa.record_batch({"kind": BATCH.column(1)})
    num_examples, features = statistics_of([BATCH], [without])
    assert num_examples == 6
    # One of BATCH's rows and the three rows of the other part.
    assert features["miles"].num_stats.common_stats.num_missing == 4
    assert features["kind"].string_stats.common_stats.num_missing == 0


def test_a_feature_without_values_is_missing():
    # TFDV itself counts an empty list as present, so `presence` would never be violated.
    _, features = statistics_of([BATCH], [BATCH])
    common = features["miles"].num_stats.common_stats
    assert (common.num_non_missing, common.num_missing) == (4, 2)
    assert (common.min_num_values, common.max_num_values) == (1, 1)


@pytest.mark.parametrize(("num_present", "is_anomalous"), [(3, True), (90, False)])
def test_a_column_with_fewer_values_than_the_schema_demands_is_an_anomaly(
    num_present, is_anomalous
):
    rows = [[1.0]] * num_present + [[]] * (100 - num_present)
    batch = pa.record_batch({"miles": pa.array(rows, pa.list_(pa.float32()))})
    combine = StatisticsCombineFn()
    combine.setup()
    accumulator = combine.add_input(combine.create_accumulator(), batch)
    schema = text_format.Parse(
        "feature { name: 'miles' type: FLOAT presence { min_fraction: 0.45 } }",
        schema_pb2.Schema(),
    )
    anomalies = tfdv.validate_statistics(combine.extract_output(accumulator), schema)
    assert ("miles" in anomalies.anomaly_info) == is_anomalous


def test_a_column_that_is_missing_in_every_row_keeps_its_type():
    batch = pa.record_batch({"miles": pa.array([[], []], pa.large_list(pa.float32()))})
    _, features = statistics_of([batch])
    assert features["miles"].type == statistics_pb2.FeatureNameStatistics.FLOAT
    assert features["miles"].num_stats.common_stats.num_missing == 2


def test_files_are_compared_by_digests_that_are_no_values():
    files = pa.array([[b"RIFF1"], [b"RIFF2"], [], [b"RIFF1"]], pa.large_list(pa.large_binary()))
    kinds = pa.array([["a"], ["b"], ["a"], ["a"]])
    batch = with_digests(pa.record_batch({"sound": files, "kind": kinds}), ["sound", "absent"])
    digests = batch.column("sound").to_pylist()
    assert [len(row) for row in digests] == [1, 1, 0, 1]
    assert digests[0] == digests[3] != digests[1]
    _, columns = statistics_of([batch])
    sound = columns["sound"].string_stats
    assert (sound.unique, sound.common_stats.num_non_missing) == (2, 3)
    assert "RIFF" not in str(sound)
    inferred = tfdv.infer_schema(
        statistics_pb2.DatasetFeatureStatisticsList(
            datasets=[{"num_examples": 4, "features": list(columns.values())}]
        )
    )
    [sound_column] = [f for f in inferred.feature if f.name == "sound"]
    assert not sound_column.HasField("domain")
