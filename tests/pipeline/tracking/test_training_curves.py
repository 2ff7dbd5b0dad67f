import math

from pipeline.tracking.training_curves import by_step, read_curves
from tests.pipeline.tracking.event_files import write_events


def test_the_scalars_of_every_folder_are_read_by_name(tmp_path):
    write_events(tmp_path / "train", [(0, "loss", 0.5), (1, "loss", 0.25), (1, "rate", 0.125)])
    write_events(tmp_path / "validation", [(1, "loss", 0.75)])
    curves = read_curves(str(tmp_path))
    assert curves == {
        "train/loss": [(0, 0.5), (1, 0.25)],
        "train/rate": [(1, 0.125)],
        "validation/loss": [(1, 0.75)],
    }
    assert by_step(curves) == [
        (0, {"train/loss": 0.5}),
        (1, {"train/loss": 0.25, "train/rate": 0.125, "validation/loss": 0.75}),
    ]


def test_a_file_that_ends_in_the_middle_of_a_record_is_read_up_to_it(tmp_path):
    path = write_events(tmp_path, [(0, "loss", 0.5), (1, "loss", 0.25)])
    path.write_bytes(path.read_bytes()[:-7])
    assert read_curves(str(tmp_path)) == {"loss": [(0, 0.5)]}


def test_values_that_are_not_finite_are_left_out(tmp_path):
    write_events(tmp_path, [(0, "loss", math.nan), (1, "loss", math.inf), (2, "loss", 0.5)])
    assert read_curves(str(tmp_path)) == {"loss": [(2, 0.5)]}


def test_without_logs_there_are_no_curves(tmp_path):
    assert read_curves("") == read_curves(str(tmp_path / "gone")) == {}
