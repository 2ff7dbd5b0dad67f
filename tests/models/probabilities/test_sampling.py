import math

import pytest

from models.probabilities.sampling import (
    Kept,
    SamplingRecord,
    SamplingShift,
    check_shift,
    sampling_shift,
)

RECORD = SamplingRecord(
    by="maker",
    strata={"a": Kept(nominal=0.5, kept=30, total=50), "b": Kept(nominal=1, kept=7, total=7)},
    rest=Kept(nominal=0.1, kept=12, total=100),
)


def test_the_shift_is_the_logarithm_of_the_realised_rate():
    shift = sampling_shift(RECORD)
    # 30 of 50 were kept: 0.6, not the 0.5 that was asked for.
    assert shift.strata == pytest.approx({"a": math.log(0.6), "b": 0.0})
    assert shift.rest == pytest.approx(math.log(0.12))
    assert shift.by == "maker"


def test_a_stratum_without_negatives_has_the_nominal_rate():
    record = SamplingRecord(strata={}, rest=Kept(nominal=0.25, kept=0, total=0))
    assert sampling_shift(record).rest == pytest.approx(math.log(0.25))


def test_without_a_record_nothing_is_shifted():
    assert sampling_shift(None) == SamplingShift(by=None, strata={}, rest=0.0)


def test_a_record_survives_as_text():
    assert SamplingRecord.from_json(RECORD.to_json()) == RECORD


def test_the_shift_of_the_record_passes():
    check_shift(sampling_shift(RECORD), RECORD)
    check_shift(SamplingShift(), None)


@pytest.mark.parametrize(
    ("shift", "record"),
    [
        pytest.param(SamplingShift(), RECORD, id="sampled and not corrected"),
        pytest.param(sampling_shift(RECORD), None, id="corrected and not sampled"),
        pytest.param(
            # The nominal rates instead of the realised ones.
            SamplingShift(by="maker", strata={"a": math.log(0.5), "b": 0.0}, rest=math.log(0.1)),
            RECORD,
            id="another rate",
        ),
        pytest.param(
            SamplingShift(by="tool", strata=sampling_shift(RECORD).strata, rest=math.log(0.12)),
            RECORD,
            id="another column",
        ),
        pytest.param(
            SamplingShift(by="maker", strata={"a": math.log(0.6)}, rest=math.log(0.12)),
            RECORD,
            id="a stratum left out",
        ),
    ],
)
def test_a_correction_that_does_not_match_the_record_is_refused(shift, record):
    with pytest.raises(ValueError, match=r"correction does not match its data.* not exported"):
        check_shift(shift, record)


def test_the_refusal_says_what_was_found_and_what_was_asked_for():
    record = SamplingRecord(strata={}, rest=Kept(nominal=0.1, kept=10, total=100))
    with pytest.raises(ValueError, match=r"adds \+0.000000 .* requires -2.302585"):
        check_shift(SamplingShift(), record)
