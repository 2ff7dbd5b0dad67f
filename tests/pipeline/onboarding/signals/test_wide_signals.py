import numpy as np
import pytest

from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally
from pipeline.onboarding.signals.wide_signals import find_wide_signals

ROWS, SAMPLES = 200, 32


def _is_signal(samples: np.ndarray, prefix: str) -> bool:
    columns = {}
    for number, values in enumerate(samples.T):
        name = f"{prefix}{number}"
        columns[name] = Column(
            name=name, kind="float", num_rows=len(values), tally=ColumnTally(), sample=values
        )
    [found] = find_wide_signals(columns)
    return found.is_signal


def _vibration() -> np.ndarray:
    """Oscillations of one frequency with random phases, too fast to be smooth."""
    rng = np.random.default_rng(3)
    phases = rng.uniform(0, 2 * np.pi, (ROWS, 1))
    return np.sin(2 * np.pi * 0.23 * np.arange(SAMPLES) + phases) + rng.normal(
        0, 0.5, (ROWS, SAMPLES)
    )


def _features() -> np.ndarray:
    """Flags and standardised measurements of a table whose names were removed."""
    rng = np.random.default_rng(4)
    flags = rng.random((ROWS, 16)) < rng.uniform(0.1, 0.9, 16)
    return np.hstack([flags.astype(float), rng.normal(size=(ROWS, 16))])


@pytest.mark.parametrize("prefix", ["x", "s", "", "x_"])
def test_a_vibration_is_a_signal_and_features_without_names_are_not(prefix):
    assert _is_signal(_vibration(), prefix)
    assert not _is_signal(_features(), prefix)


def test_questions_that_share_a_common_cause_are_no_signal():
    rng = np.random.default_rng(5)
    answers = rng.normal(size=(ROWS, 1)) + rng.normal(size=(ROWS, SAMPLES))
    assert not _is_signal(answers, "x")


def test_noise_is_a_signal_where_the_name_says_that_columns_are_samples():
    noise = np.random.default_rng(6).normal(size=(ROWS, SAMPLES))
    assert _is_signal(noise, "t")
    assert not _is_signal(noise, "feature_")


def test_empty_and_constant_columns_do_not_hide_a_vibration():
    samples = _vibration()
    samples[:, 0], samples[:, 5] = 1.0, np.nan
    assert _is_signal(samples, "x")
