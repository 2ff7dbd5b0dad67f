from typing import Any

import numpy as np
import pytest

from common.errors import InputError
from models.features import Signal
from pipeline.onboarding.signals.time_axes import overlap_note

ROWS, SAMPLES = 200, 40


@pytest.fixture
def recordings() -> dict[str, Any]:
    """Recordings at 500 Hz, whose faults have a larger spread."""
    rng = np.random.default_rng(0)
    label = (np.arange(ROWS) % 8 == 0).astype(int)
    waves = rng.normal(size=(ROWS, SAMPLES)) * (1 + label[:, None])
    return {"wave": list(waves), "label": label}


def times(step: float, jitter: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [np.arange(SAMPLES) * step + rng.uniform(0, jitter, SAMPLES) for _ in range(ROWS)]


@pytest.mark.parametrize(("name", "step"), [("t_ms", 2.0), ("time [s]", 0.002)])
def test_a_list_of_times_gives_the_sampling_rate_and_is_no_signal(
    recordings, propose_for, name, step
):
    proposal = propose_for(recordings | {name: times(step)}, kind="parquet")
    assert list(proposal.features) == ["wave"]
    feature = proposal.features["wave"][0]
    assert isinstance(feature, Signal)
    assert feature.sampling_rate_hz == pytest.approx(500)
    assert proposal.left_out[name] == f"the time of each sample, {step:g} apart"


def test_times_without_a_unit_agree_with_the_rate_in_one_of_the_units(recordings, propose_for):
    both = recordings | {"time": times(2.0), "rate_hz": np.full(ROWS, 500.0)}
    feature = propose_for(both, kind="parquet").features["wave"][0]
    assert (feature.sampling_rate_hz, feature.rate_column) == (500, "rate_hz")


def test_a_rate_that_contradicts_the_times_of_the_samples_is_refused(recordings, propose_for):
    both = recordings | {"t_ms": times(2.0), "rate_hz": np.full(ROWS, 1_000.0)}
    with pytest.raises(
        InputError, match=r"`rate_hz` is 1000 Hz, .* `t_ms` are 2 apart, which is 500 Hz"
    ):
        propose_for(both, kind="parquet")


def test_times_of_two_rates_give_none_and_a_remark(recordings, propose_for):
    both = recordings | {"t_ms": times(2.0), "time [s]": times(0.001)}
    proposal = propose_for(both, kind="parquet")
    assert proposal.features["wave"][0].sampling_rate_hz is None
    [note] = [note for note in proposal.notes if "several sampling rates" in note]
    assert "`t_ms` gives 500 Hz and `time [s]` gives 1000 Hz" in note


def test_times_without_a_unit_do_not_hide_the_rate_of_others(recordings, propose_for):
    both = recordings | {"t_ms": times(2.0), "time": times(2.0)}
    assert propose_for(both, kind="parquet").features["wave"][0].sampling_rate_hz == 500


def test_lists_that_do_not_rise_by_equal_steps_are_signals(recordings, propose_for):
    proposal = propose_for(recordings | {"t": times(1.0, jitter=3.0)}, kind="parquet")
    assert set(proposal.features) == {"wave", "t"}


def test_recordings_that_last_longer_than_the_time_to_the_next_are_noted(recordings, propose_for):
    # 40 samples at 2 Hz last 20 s.
    starts = np.datetime64("2024-03-01T00:00:00") + np.arange(ROWS) * np.timedelta64(5, "s")
    both = recordings | {"started": starts, "rate_hz": np.full(ROWS, 2.0)}
    notes = " ".join(propose_for(both, kind="parquet").notes)
    assert "recordings last 20 s, but by `started` they start 5 s apart" in notes


@pytest.mark.parametrize(
    "seconds",
    [
        np.arange(0, 600, 20.0),  # one after the other
        np.arange(0, 600, 60.0),  # with pauses
        np.array([0.0, 5.0, 0.0, 5.0]),  # two machines
        np.full(5, np.nan),
    ],
)
def test_recordings_one_after_the_other_are_not_noted(seconds):
    assert overlap_note(seconds, 20.0, "started") == ""
