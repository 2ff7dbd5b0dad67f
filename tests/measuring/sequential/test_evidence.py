"""Evidence of a rollout: what it decides, what it says is missing, and its state."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from measuring.sequential import (
    ArmCounts,
    Margins,
    PairedEvidence,
    expected_requests,
)

MARGINS = Margins()


@dataclass(frozen=True, kw_only=True)
class Answers:
    request_id: Any
    row: Any
    key: Any
    stable_decision: Any
    candidate_decision: Any
    stable_latency_ms: Any
    candidate_latency_ms: Any

    def part(self, start, stop):
        return Answers(**{name: values[start:stop] for name, values in vars(self).items()})


def answers(stable, candidate, *, keys=None, slower=None):
    size = len(stable)
    times = np.full(size, np.nan) if slower is None else np.linspace(1, 2, size)
    return Answers(
        request_id=np.array([f"q{i}" for i in range(size)], dtype=object),
        row=np.zeros(size, dtype=np.int32),
        key=np.array([None] * size if keys is None else keys, dtype=object),
        stable_decision=np.array(stable, dtype=np.int64),
        candidate_decision=np.array(candidate, dtype=np.int64),
        stable_latency_ms=times,
        candidate_latency_ms=times if slower is None else times * slower,
    )


def decided(stable, candidate, margins=MARGINS, **options):
    evidence = PairedEvidence(margins)
    evidence.update(answers(stable, candidate, **options))
    return evidence


def random_pairs(size, differing, *, seed=0, num_keys=10):
    rng = np.random.default_rng(seed)
    stable = rng.random(size) < 0.05
    candidate = stable ^ (rng.random(size) < differing)
    keys = [f"k{key}" for key in rng.integers(num_keys, size=size)]
    return stable, candidate, keys


def test_an_identical_model_is_promoted():
    verdict = decided([0] * 1_500, [0] * 1_500).verdict()
    assert verdict.kind == "promote"
    assert set(verdict.reasons) == {"alarms_not_risen", "alarms_not_fallen", "agreeing"}


def test_a_model_that_always_alarms_is_rolled_back_soon():
    evidence = PairedEvidence(MARGINS)
    evidence.update(answers([0] * 20, [1] * 20))
    verdict = evidence.verdict()
    assert verdict.kind == "roll_back"
    assert "more_alarms" in verdict.reasons


def test_a_model_that_never_alarms_is_rolled_back():
    stable, _, keys = random_pairs(10_000, 0)
    verdict = decided(stable, stable & False, keys=keys).verdict()
    assert verdict.kind == "roll_back"
    assert verdict.reasons == ("fewer_alarms",)


def test_few_pairs_decide_nothing_and_say_what_is_missing():
    verdict = decided(*([0] * 100,) * 2, keys=["a"] * 100).verdict()
    assert verdict.kind == "undecided"
    assert {"min_pairs", "min_keys"} <= set(verdict.reasons)
    assert verdict.pairs_needed >= 900
    assert verdict.keys_needed == 4


def test_many_keys_do_not_help_if_one_sends_nearly_everything():
    keys = ["pump"] * 1_990 + [f"k{i}" for i in range(10)]
    verdict = decided([0] * 2_000, [0] * 2_000, keys=keys).verdict()
    # 2,000^2 / (1,990^2 + 10) = 1.01 keys.
    assert verdict.effective_keys == pytest.approx(1.01, abs=0.01)
    assert verdict.kind == "undecided"
    assert verdict.keys_needed == 4


def test_differing_decisions_beyond_the_margin_put_promotion_out_of_reach():
    stable, candidate, keys = random_pairs(4_000, 0.08, num_keys=1_000)
    verdict = decided(stable, candidate, replace(MARGINS, alarm_change=0.2), keys=keys).verdict()
    assert verdict.kind == "roll_back"
    assert "differing" in verdict.reasons
    assert verdict.pairs_needed is None


def test_a_repeated_difference_of_a_key_counts_once_in_so_many_rows():
    alternating = np.tile([1, 0, 0, 0, 0], 40)
    same_key = decided([0] * 200, alternating, keys=["a"] * 200).verdict()
    own_keys = decided([0] * 200, alternating, keys=[f"k{i}" for i in range(200)]).verdict()
    rarely = replace(MARGINS, repeat_rows=100)
    repeated = decided([0] * 200, alternating, rarely, keys=["a"] * 200).verdict()
    # Each fifth row is still counted with repeat_rows 5, and only two of 40 with 100.
    assert same_key.e_values["more_alarms"] == own_keys.e_values["more_alarms"]
    assert own_keys.kind == "roll_back"
    assert repeated.kind == "undecided"
    # Against promotion, every row counts.
    assert repeated.e_values["alarms_not_risen"] == own_keys.e_values["alarms_not_risen"]


def test_failures_of_the_candidate_roll_back():
    evidence = decided([0] * 100, [0] * 100)
    evidence.update_errors(
        stable=ArmCounts(requests=100, errors=0), candidate=ArmCounts(requests=100, errors=12)
    )
    verdict = evidence.verdict()
    assert verdict.kind == "roll_back"
    assert verdict.reasons == ("errors",)


def test_failures_of_both_servers_do_not():
    evidence = decided([0] * 100, [0] * 100)
    both = ArmCounts(requests=100, errors=50)
    evidence.update_errors(stable=both, candidate=both)
    assert evidence.verdict().kind == "undecided"


@pytest.mark.parametrize(
    ("slower", "kind"), [(1.0, "promote"), (1.19, "promote"), (2.0, "roll_back")]
)
def test_time_within_the_margin_promotes_and_beyond_it_rolls_back(slower, kind):
    evidence = PairedEvidence(MARGINS)
    pairs = answers([0] * 4_000, [0] * 4_000, slower=slower)
    for start in range(0, 4_000, 100):
        evidence.update(pairs.part(start, start + 100))
    assert evidence.verdict().kind == kind


def test_the_pairs_that_the_time_still_needs_follow_from_its_windows():
    evidence = PairedEvidence(replace(MARGINS, min_pairs=0))
    pairs = answers([0] * 1_500, [0] * 1_500, slower=1.0)
    for start in range(0, 1_500, 375):
        evidence.update(pairs.part(start, start + 375))
    verdict = evidence.verdict()
    assert verdict.reasons == ("not_slower",)
    # Four windows for the candidate: the mean of (2 r / (r + 1))^4 over the ratios is 6.39, so that
    # log(40 / 6.39) / log(6.39) = 0.989 of 1,500 pairs are missing.
    assert verdict.pairs_needed == pytest.approx(1_484, abs=1)


def test_time_at_twice_the_margin_cannot_be_promoted_early():
    evidence = PairedEvidence(MARGINS)
    evidence.update(answers([0] * 1_500, [0] * 1_500, slower=2.0))
    assert evidence.verdict().reasons == ("not_slower",)


def test_a_candidate_that_stays_slow_for_days_still_has_a_verdict():
    slow = answers([0] * 400, [0] * 400, slower=2.0)
    evidence = decided([0] * 400, [0] * 400, slower=2.0)
    state = json.loads(evidence.to_json())
    # As after 10,000 windows: a capital of exp(-1,178), which is 0 as a float64.
    state["latency"]["tests"][2] = [-1_178.0] * 6
    evidence = PairedEvidence.from_json(json.dumps(state))
    evidence.update(slow)
    verdict = evidence.verdict()
    assert "not_slower" in verdict.reasons
    assert verdict.e_values["not_slower"] == 1.0


def test_a_worse_model_within_the_margins_is_found_by_its_labels():
    stable, candidate, keys = random_pairs(8_000, 0.02, num_keys=200)
    margins = replace(MARGINS, labels_required=True, alarm_change=0.2, differing=0.2)
    evidence = PairedEvidence(margins)
    evidence.update(answers(stable, candidate, keys=keys))
    before = evidence.verdict()
    assert before.kind == "undecided"
    assert before.num_waiting == int((stable ^ candidate).sum())
    # The stable model was right each time.
    evidence.update_labels(((f"q{i}", 0), bool(stable[i])) for i in range(8_000))
    verdict = evidence.verdict()
    assert verdict.kind == "roll_back"
    assert verdict.reasons == ("loss_risen",)
    assert verdict.num_labelled == before.num_waiting
    assert verdict.num_waiting == 0


def test_a_better_model_is_promoted_by_its_labels():
    stable, candidate, keys = random_pairs(8_000, 0.02, num_keys=200)
    margins = replace(MARGINS, labels_required=True, alarm_change=0.2, differing=0.2)
    evidence = PairedEvidence(margins)
    evidence.update(answers(stable, candidate, keys=keys))
    evidence.update_labels(((f"q{i}", 0), bool(candidate[i])) for i in range(8_000))
    verdict = evidence.verdict()
    assert verdict.kind == "promote"
    assert "loss_not_risen" in verdict.reasons


def test_a_decision_to_roll_back_is_not_taken_back():
    evidence = PairedEvidence(MARGINS)
    evidence.update(answers([0] * 20, [1] * 20))
    evidence.update(answers([0] * 5_000, [0] * 5_000))
    assert evidence.verdict().kind == "roll_back"


def test_a_killed_controller_goes_on_with_the_same_figures():
    stable, candidate, keys = random_pairs(2_000, 0.03)
    pairs = answers(stable, candidate, keys=keys, slower=1.1)
    whole, parts = PairedEvidence(MARGINS), PairedEvidence(MARGINS)
    for start in range(0, 2_000, 50):
        for evidence in (whole, parts):
            evidence.update(pairs.part(start, start + 50))
            evidence.update_labels([((f"q{start}", 0), True)])
            evidence.update_errors(
                stable=ArmCounts(requests=50, errors=1), candidate=ArmCounts(requests=40, errors=1)
            )
        parts = PairedEvidence.from_json(parts.to_json())
    assert parts.verdict() == whole.verdict()
    assert parts.to_json() == whole.to_json()


@pytest.mark.parametrize("text", ["[]", "{}", '{"margins": {"beta": 1}}', "no JSON"])
def test_a_damaged_state_is_refused(text):
    with pytest.raises(ValueError, match=r"state|Expecting"):
        PairedEvidence.from_json(text)


def test_a_verdict_is_plain_json():
    verdict = decided([0] * 10, [0] * 10).verdict()
    assert json.loads(json.dumps(verdict.to_json()))["num_pairs"] == 10


def test_expected_requests_without_differences():
    # The bet approaches 0.5 / 0.495, which wins 0.00504 with each request: log(40) / 0.00504 = 732,
    # and some more while the bets are learned. 1,000 pairs are the least.
    assert expected_requests(MARGINS, differing=0.0).requests == 1_000
    expected = expected_requests(replace(MARGINS, min_pairs=0), differing=0.0)
    assert 732 <= expected.requests <= 900
    assert expected.nine_of_ten == expected.requests


def test_expected_requests_beyond_the_margin_are_out_of_reach():
    assert expected_requests(MARGINS, differing=0.06).requests is None


def test_labels_are_expected_for_differing_decisions():
    expected = expected_requests(replace(MARGINS, labels_required=True), differing=0.01)
    # Edge 0.0025 and variance 0.0025: the bet 1 grows by about 0.00125, log(40) / 0.00125 = 2,951.
    assert 2_400 <= expected.requests <= 5_000
    assert expected.labels == math.ceil(0.01 * expected.requests)


@pytest.mark.simulation
def test_rollouts_take_the_expected_requests():
    margins, sizes = replace(MARGINS, min_pairs=0), []
    for seed in range(15):
        draws = np.random.default_rng(seed).random(20_000)
        pairs = answers(draws < 0.01, draws > 0.99)
        evidence = PairedEvidence(margins)
        for start in range(0, 20_000, 200):
            evidence.update(pairs.part(start, start + 200))
            if evidence.verdict().kind != "undecided":
                break
        sizes.append(evidence.verdict().num_pairs)
    expected = expected_requests(margins, differing=0.02)
    assert 0.7 * expected.requests <= np.median(sizes) <= 1.4 * expected.requests
    # That 5 or more of 15 need more has a probability of 1 %.
    assert sum(size > expected.nine_of_ten + 200 for size in sizes) <= 4
