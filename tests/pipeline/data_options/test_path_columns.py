"""What a config may say of columns with paths."""

import pytest

from models.features import Numeric, Signal
from pipeline.config import Data
from pipeline.data_options.path_columns import PathColumn, check_path_columns


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"holds": "signal"}, "needs `channels`"),
        ({"holds": "image", "channels": ("x",)}, "do not go with holds `image`"),
        ({"holds": "audio", "decimal": ","}, "do not go with holds `audio`"),
        ({"holds": "signal", "channels": ("x", "x")}, "names a column twice"),
        ({"holds": "signal", "channels": ("x",), "time_column": "x"}, "the column of the times"),
        ({"holds": "signal", "channels": ("x",), "time_unit": "ms"}, "needs `time_column`"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        PathColumn(**options)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"temp": Numeric()}, "needs features.photo of kind `image`"),
        ({"photo": Numeric()}, "features.photo is `numeric`, and data.path_columns.photo holds"),
    ],
)
def test_what_files_hold_must_be_a_feature_of_their_kind(features, reason):
    with pytest.raises(ValueError, match=reason):
        check_path_columns({"photo": PathColumn(holds="image")}, features, "y")


def test_a_feature_of_each_channel_is_needed():
    option = PathColumn(holds="signal", channels=("x", "y"))
    features = {"trace_x": Signal(num_samples=4), "trace_y": Signal(num_samples=4)}
    check_path_columns({"trace": option}, features, "y")
    with pytest.raises(ValueError, match=r"needs features\.trace_y of kind `signal`"):
        check_path_columns({"trace": option}, {"trace_x": Signal(num_samples=4)}, "y")


def test_the_label_is_no_column_of_paths():
    with pytest.raises(ValueError, match=r"data\.path_columns\.photo is the label"):
        check_path_columns({"photo": PathColumn(holds="image")}, {}, "photo")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"window": 2}, "`window` does not go with `path_columns`"),
        ({"format": "tfrecord"}, "and not `format: tfrecord`"),
        ({"path": None, "dataset": "signals"}, "`path_columns` needs `path`"),
    ],
)
def test_data_without_a_table_of_paths_are_refused(other, reason):
    given = {"path": "a.csv", "path_columns": {"photo": PathColumn(holds="image")}} | other
    with pytest.raises(ValueError, match=reason):
        Data(**given)
