import numpy as np
import pytest

from pipeline.onboarding.findings.hidden_groups import HiddenGroup, find_hidden_group
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally

RNG = np.random.default_rng(2)
PERSONS, ROWS = 60, 6
PERSON = np.repeat(np.arange(PERSONS), ROWS)
RECORDING = np.tile(np.arange(1, ROWS + 1), PERSONS)
HAS_FAULT = RNG.random(len(PERSON)) < 0.2


def _column(name: str, values: object, kind: str) -> Column:
    sample = np.asarray(values, object if kind == "text" else float)
    tally = ColumnTally(num_present=len(sample))
    return Column(name=name, kind=kind, num_rows=len(sample), tally=tally, sample=sample)


def _find(texts: list[str], *, alike: bool = True, positive=HAS_FAULT) -> HiddenGroup | None:
    level = RNG.normal(size=PERSONS)[PERSON] if alike else RNG.normal(size=len(PERSON))
    pitch = _column("pitch", level + RNG.normal(0, 0.2, len(PERSON)), "float")
    return find_hidden_group(_column("name", texts, "text"), [pitch], positive)


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("phon_R01_S{:02d}_{}", "phon_R01_S00"),
        ("S{:02d}-{}", "S00"),
        ("rat{:02d}trial{}", "rat00"),
        ("rat {:02d} {}", "rat 00"),
    ],
)
def test_the_person_is_what_stands_before_the_number_of_a_recording(written, part):
    texts = [written.format(*pair) for pair in zip(PERSON, RECORDING, strict=True)]
    found = _find(texts)
    assert found is not None
    assert found.column.num_distinct == PERSONS
    assert found.column.sample[0] == part
    assert "intraclass correlation" in found.reason


def test_of_two_parts_the_coarser_one_counts_if_its_rows_are_alike():
    side = np.where(RECORDING <= ROWS / 2, "L", "R")
    texts = [f"P{a}-{b}-{c}" for a, b, c in zip(PERSON, side, RECORDING, strict=True)]
    found = _find(texts)
    assert found is not None
    assert found.column.num_distinct == PERSONS


def test_rows_of_one_label_belong_together_without_measurements_that_are_alike():
    texts = [f"S{a}_{b}" for a, b in zip(PERSON, RECORDING, strict=True)]
    found = _find(texts, alike=False, positive=PERSON < 12)
    assert found is not None
    assert "the same label" in found.reason


def test_rows_that_are_numbered_but_not_alike_are_a_question():
    texts = [f"S{a}_{b}" for a, b in zip(PERSON, RECORDING, strict=True)]
    found = _find(texts, alike=False)
    assert found is not None
    assert found.reason == ""


def test_serial_numbers_hide_no_group():
    texts = [f"SN-{2020 + n // 90}-{n:06d}" for n in range(len(PERSON))]
    assert _find(texts) is None
    # The numbers after a prefix go on, and rows of one prefix are not alike.
    assert _find([f"L{n // 6}-{n}" for n in range(len(PERSON))], alike=False) is None


def test_names_of_several_words_hide_no_group():
    words = [
        f"attack on town {chr(97 + a % 26)}{a} {'ab'[b % 2]}"
        for a, b in zip(PERSON, RECORDING, strict=True)
    ]
    assert _find(words) is None
