"""Expected values are worked out by hand from `tiny_transform.ROWS`.

Three numbers one apart have the population standard deviation sqrt(2/3) = 0.8165, so that the outer
ones are standardised to -1.2247 and 1.2247.
"""

import numpy as np
import pytest
import tensorflow as tf

from models.inputs.encoding import MISSING_INDEX, OUT_OF_VOCABULARY, encoded_name
from models.inputs.transform_graph import TransformGraph
from tests.models.tiny_transform import ROWS, SPEC, to_example

Z = 1.2247449


@pytest.fixture(scope="module")
def graph(transform_folder):
    return TransformGraph(transform_folder, SPEC)


def _transform(graph, rows):
    spec = {**graph.raw_spec, **graph.label_spec}
    parsed = tf.io.parse_example([to_example(row) for row in rows], spec)
    return {name: value.numpy() for name, value in graph(parsed).items()}


@pytest.fixture(scope="module")
def transformed(graph):
    return _transform(graph, ROWS)


def test_numeric_is_standardised_and_a_missing_value_becomes_the_mean_with_an_indicator(
    transformed,
):
    name = encoded_name("pressure [bar]")
    assert transformed[name] == pytest.approx(np.array([[-Z, 0], [0, 0], [Z, 0], [0, 1]]), abs=1e-5)


def test_heavy_tail_is_the_signed_logarithm_standardised(transformed):
    # 0, e - 1 and -(e - 1) become 0, 1 and -1 before they are standardised.
    assert transformed["length_xf"] == pytest.approx(
        np.array([[0, 0], [Z, 0], [-Z, 0], [0, 1]]), abs=1e-5
    )


def test_a_constant_column_becomes_zero_and_not_nan(transformed):
    assert (transformed["constant_xf"] == 0).all()


def test_a_column_without_any_value_is_all_missing(transformed):
    assert transformed["never_xf"].tolist() == [[0, 1]] * 4


def test_categories_share_one_vocabulary_by_frequency(transformed):
    # Three times code 7, twice tool a, once tool b.
    assert transformed["code_xf"].tolist() == [[0], [0], [0], [MISSING_INDEX]]
    assert transformed["tool_xf"].tolist() == [[1], [1], [2], [MISSING_INDEX]]


def test_an_unseen_category_is_out_of_vocabulary_even_if_another_feature_has_the_value(graph):
    row = ROWS[0] | {"tool": [b"7"], "code": [8]}
    served = _transform(graph, [row])
    assert served["tool_xf"].tolist() == [[OUT_OF_VOCABULARY]]
    assert served["code_xf"].tolist() == [[OUT_OF_VOCABULARY]]


def test_bucket_zero_is_for_missing_values_and_the_others_follow_the_order(graph, transformed):
    assert transformed["speed_xf"].tolist() == [[1], [2], [3], [0]]
    # Beyond the range seen in training the outermost buckets take over.
    beyond = _transform(graph, [ROWS[0] | {"speed": [value]} for value in (-1e9, 1e9)])
    assert beyond["speed_xf"].tolist() == [[1], [3]]


def test_time_becomes_points_on_circles(transformed):
    # The epoch was a Thursday, day 3 of 7: angle 2 pi 3/7, sine 0.4339 and cosine -0.9010.
    thursday = [0.43388, -0.90097]
    assert transformed["at_xf"][0] == pytest.approx([0, 1, *thursday, 0], abs=1e-4)
    # 06:00 is a quarter of the day.
    assert transformed["at_xf"][1][:2] == pytest.approx([1, 0], abs=1e-4)
    # A day later it is Friday, day 4 of 7.
    assert transformed["at_xf"][2][2:4] == pytest.approx([-0.43388, -0.90097], abs=1e-4)
    assert transformed["at_xf"][3].tolist() == [0, 0, 0, 0, 1]


def test_signal_levels_are_standardised_for_each_sample(transformed):
    # Sample 0 is 0, 2, 1; sample 1 always 1; sample 2 only once finite.
    levels = transformed["pulse_xf"][:, :, 0]
    assert levels == pytest.approx(
        np.array([[-Z, 0, 0], [Z, 0, 0], [0, 0, 0], [0, 0, 0]]), abs=1e-5
    )


def test_the_scale_of_a_sample_that_never_varied_has_a_floor(graph):
    # Variances 2/3, 0, 0: root mean square sqrt(2/9) = 0.4714, of which 5 % is 0.02357. A sample 1
    # of 1.1 instead of 1 is 0.1 / 0.02357 = 4.2426.
    served = _transform(graph, [ROWS[0] | {"pulse": [0.0, 1.1, 2.0]}])
    assert served["pulse_xf"][0, 1, 0] == pytest.approx(4.2426, abs=1e-3)


def test_signal_differences_are_standardised_for_each_sample(transformed):
    # From sample 0 to 1: 1, -1, 0. From 1 to 2: known once. Before sample 0: nothing.
    steps = transformed["pulse_xf"][:, :, 1]
    assert steps == pytest.approx(np.array([[0, Z, 0], [0, -Z, 0], [0, 0, 0], [0, 0, 0]]), abs=1e-5)


def test_a_sample_that_is_not_finite_is_marked(transformed):
    missing = transformed["pulse_xf"][:, :, 2]
    assert missing.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 1], [1, 1, 1]]


def test_a_signal_that_is_absent_is_missing_throughout(transformed):
    # Sample 1 is 2, 4, 6: standard deviation 2 sqrt(2/3).
    assert transformed["echo_xf"][:, 1, 0] == pytest.approx([-Z, 0, Z, 0], abs=1e-5)
    assert transformed["echo_xf"][3].tolist() == [[0, 0, 1]] * 3


def test_crossed_is_the_same_index_for_the_same_parts_only(graph):
    parts = [(b"a", 1.0), (b"a", 1.0), (b"a", 3.0), (b"b", 1.0)]
    rows = [ROWS[0] | {"tool": [tool], "speed": [speed]} for tool, speed in parts]
    index = _transform(graph, rows)["tool_speed_xf"][:, 0]
    assert index[0] == index[1]
    assert len(set(index)) == 3
    assert ((index >= 0) & (index < 1_000)).all()


def test_label_is_a_float_column(transformed):
    assert transformed["label_xf"].tolist() == [[1.0], [0.0], [1.0], [0.0]]
    assert transformed["label_xf"].dtype == np.float32


def test_a_line_break_in_a_value_does_not_break_the_vocabulary(graph):
    served = _transform(graph, [ROWS[0] | {"tool": [b"a\nb"]}])
    assert served["tool_xf"].tolist() == [[OUT_OF_VOCABULARY]]
