"""Rollouts: simulated candidates through the evidence that decides in production."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics.tables import Table, share_cell
from measuring.sequential import ArmCounts, Margins, PairedEvidence, expected_requests
from measuring.sequential.ratio import RatioTest

NUM_REQUESTS, BATCH, LABEL_DELAY = 20_000, 100, 20
NUM_KEYS = (20, 200, 2_000)
MARGINS = Margins()
WITH_LABELS = replace(MARGINS, labels_required=True)
_NAMES = np.array([str(number) for number in range(NUM_REQUESTS)], dtype=object)
# Faults and false alarms per request, on average over the keys; share of the faults that is missed.
_FAULTS, _FALSE_ALARMS, _MISSED = 0.035, 0.01, 0.2
# Share of the requests on which the candidate's answer is drawn anew: 0.7 % of decisions differ.
_REDRAWN = 0.25


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """How a candidate differs from the stable model.

    Attributes:
        mended: Share of its wrong answers that become right.
        spoilt: Rise of its loss: share of requests whose right answer becomes wrong.
        more_alarms: Rise of its alarms per request.
        slower: Factor of the time of its answers.
        errors: Share of requests that its server fails to answer; 0.1 % of the stable one's.
        episode: Rows of a key in which its difference stays the same.
        by_key: Standard deviation over the keys of the rise of its alarms, 0 on average.
    """

    mended: float = 0.0
    spoilt: float = 0.0
    more_alarms: float = 0.0
    slower: float = 1.0
    errors: float = 0.001
    episode: int = 1
    by_key: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Simulated pairs, as `measuring.sequential.PairedAnswers`, with their labels."""

    request_id: NDArray[np.object_]
    row: NDArray[np.int64]
    key: NDArray[np.object_]
    stable_decision: NDArray[np.int64]
    candidate_decision: NDArray[np.int64]
    stable_latency_ms: NDArray[np.float64]
    candidate_latency_ms: NDArray[np.float64]
    label: NDArray[np.bool_]

    def part(self, start: int) -> "Pairs":
        """One batch of pairs."""
        return Pairs(**{name: v[start : start + BATCH] for name, v in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a rollout ended.

    Attributes:
        kind: `promote`, `roll_back`, or `undecided` after all requests.
        num_pairs: Requests until then.
    """

    kind: str
    num_pairs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fleet:
    """Rates of each key, `[keys]`: most keys have hardly any faults, a few have many."""

    faults: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    missed: NDArray[np.float64]

    def decide(
        self, rng: np.random.Generator, key: NDArray[np.int64], label: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        alarm_rates = np.where(label, 1 - self.missed[key], self.false_alarms[key])
        decisions: NDArray[np.bool_] = rng.random(key.size) < alarm_rates
        return decisions

    @property
    def wrong(self) -> NDArray[np.float64]:
        """Share of wrong answers of each key."""
        return self.faults * self.missed + (1 - self.faults) * self.false_alarms


def make_fleet(rng: np.random.Generator, num_keys: int) -> _Fleet:
    """Draws the rates of the keys, gamma-distributed with shape 1/2."""

    def gamma(mean: float) -> NDArray[np.float64]:
        return np.minimum(rng.gamma(0.5, mean / 0.5, num_keys), 0.5)

    return _Fleet(
        faults=gamma(_FAULTS), false_alarms=gamma(_FALSE_ALARMS), missed=rng.beta(2, 8, num_keys)
    )


def simulate_pairs(
    rng: np.random.Generator, candidate: Candidate, num_keys: int, *, bursts: int = 1
) -> Pairs:
    """Draws the requests of one rollout and both answers.

    Args:
        rng: Random numbers.
        candidate: The candidate.
        num_keys: Keys, each as frequent as the others.
        bursts: Successive requests of the same key.
    """
    fleet = make_fleet(rng, num_keys)
    key = np.repeat(rng.integers(num_keys, size=NUM_REQUESTS // bursts), bursts)
    label = rng.random(key.size) < fleet.faults[key]
    stable = fleet.decide(rng, key, label)
    redrawn = rng.random(key.size) < _REDRAWN
    answer = np.where(redrawn, fleet.decide(rng, key, label), stable)
    answer = _change(rng, candidate, fleet, key=key, label=label, answer=answer)
    if candidate.episode > 1:
        stable, answer = _repeat(rng, key, stable, answer, candidate.episode)
    stable_ms, candidate_ms = simulate_latencies(rng, key.size, candidate.slower)
    return Pairs(
        request_id=_NAMES[: key.size],
        row=np.zeros(key.size, dtype=np.int64),
        key=_NAMES[key],
        stable_decision=stable.astype(np.int64),
        candidate_decision=answer.astype(np.int64),
        stable_latency_ms=stable_ms,
        candidate_latency_ms=candidate_ms,
        label=label,
    )


def _change(
    rng: np.random.Generator,
    candidate: Candidate,
    fleet: _Fleet,
    *,
    key: NDArray[np.int64],
    label: NDArray[np.bool_],
    answer: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """The candidate's answers, from those of a model as good as the stable one."""
    draw = rng.random(key.size)
    wrong = answer != label
    mended = wrong & (draw < candidate.mended)
    spoilt = ~wrong & (draw < candidate.spoilt / (1 - fleet.wrong)[key])
    answer = answer ^ mended ^ spoilt
    alarm_rate = fleet.faults * (1 - fleet.missed) + (1 - fleet.faults) * fleet.false_alarms
    rise = np.full(fleet.faults.size, candidate.more_alarms)
    if candidate.by_key:
        deviations = rng.normal(0, candidate.by_key, rise.size)
        # No key can lose more alarms than it has.
        deviations = np.maximum(deviations, -alarm_rate)
        rise = rise + deviations - deviations.mean()
    added = ~answer & (draw < (rise / (1 - alarm_rate))[key])
    removed = answer & (draw < (-rise / alarm_rate)[key])
    return answer ^ added ^ removed


def _repeat(
    rng: np.random.Generator,
    key: NDArray[np.int64],
    stable: NDArray[np.bool_],
    answer: NDArray[np.bool_],
    episode: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both answers in episodes: each `episode` rows of a key have those of the first one."""
    order = np.argsort(key, kind="stable")
    first_of_key = np.searchsorted(key[order], key[order])
    offsets = rng.integers(episode, size=int(key.max()) + 1)[key[order]]
    age = np.arange(key.size) - first_of_key
    source = np.maximum(age - (age + offsets) % episode, 0) + first_of_key
    repeated = np.empty((2, key.size), dtype=bool)
    repeated[:, order] = stable[order[source]], answer[order[source]]
    return repeated[0], repeated[1]


def simulate_latencies(
    rng: np.random.Generator, size: int, slower: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draws lognormal times of both arms, each with hiccups of its own that last 50 requests."""
    times = np.exp(rng.normal(0, 0.5, (2, size)))
    hiccups = np.repeat(rng.random((2, size // 50)) < 0.02, 50, axis=1)
    times = np.where(hiccups, 5 * times, times)
    return times[0], slower * times[1]


def roll_out(
    rng: np.random.Generator, pairs: Pairs, candidate: Candidate, margins: Margins
) -> Outcome:
    """Feeds one rollout to the evidence, batch by batch, until it decides."""
    evidence = PairedEvidence(margins)
    for start in range(0, NUM_REQUESTS, BATCH):
        evidence.update(pairs.part(start))
        if margins.labels_required and start >= LABEL_DELAY * BATCH:
            late = pairs.part(start - LABEL_DELAY * BATCH)
            differs = late.stable_decision != late.candidate_decision
            ids, labels = late.request_id[differs].tolist(), late.label[differs].tolist()
            evidence.update_labels(
                ((id_, 0), label) for id_, label in zip(ids, labels, strict=True)
            )
        errors = rng.binomial(BATCH, [0.001, candidate.errors])
        evidence.update_errors(
            stable=ArmCounts(requests=BATCH, errors=int(errors[0])),
            candidate=ArmCounts(requests=BATCH, errors=int(errors[1])),
        )
        verdict = evidence.verdict()
        if verdict.kind != "undecided":
            return Outcome(kind=verdict.kind, num_pairs=verdict.num_pairs)
    return Outcome(kind="undecided", num_pairs=NUM_REQUESTS)


def outcomes(
    candidate: Candidate, num_keys: int, margins: Margins, num_sets: int, *, bursts: int = 1
) -> Sequence[Outcome]:
    """Simulates rollouts of a candidate."""
    rng = np.random.default_rng(num_keys)
    return [
        roll_out(rng, simulate_pairs(rng, candidate, num_keys, bursts=bursts), candidate, margins)
        for _ in range(num_sets)
    ]


def unpaired_rollback(rng: np.random.Generator, num_keys: int, *, percent: int = 10) -> bool:
    """Whether a valid test of requests rolls back an equal model whose keys stick to an arm.

    A tenth of the keys is the candidate's, as in a canary without mirrored requests. Wrong answers
    of both arms are compared by the ratio test, at every look.
    """
    fleet = make_fleet(rng, num_keys)
    key = rng.integers(num_keys, size=NUM_REQUESTS)
    arm = rng.permutation(num_keys) < num_keys * percent // 100
    wrong = rng.random(key.size) < fleet.wrong[key]
    test = RatioTest()
    for start in range(0, NUM_REQUESTS, BATCH):
        part = slice(start, start + BATCH)
        of_candidate, is_wrong = arm[key[part]], wrong[part]
        test.update(
            candidate=int((is_wrong & of_candidate).sum()),
            stable=int((is_wrong & ~of_candidate).sum()),
            weight=float(of_candidate.mean()),
        )
        if test.e_value >= MARGINS.threshold:
            return True
    return False


LABELLED: Mapping[str, Candidate] = {
    "equal": Candidate(),
    "better by 1 point": Candidate(mended=0.6),
    "worse by the margin, 0.5 points": Candidate(spoilt=WITH_LABELS.loss_rise),
    "broken: worse by 10 points": Candidate(spoilt=0.1),
    "slow: 1.5 times the time": Candidate(slower=1.5),
}
UNLABELLED: Mapping[str, Candidate] = {
    "equal": Candidate(),
    "alarms more by the margin, 1 point": Candidate(more_alarms=MARGINS.alarm_change),
    "alarms more by 2 points": Candidate(more_alarms=0.02),
    "broken: worse by 10 points": Candidate(spoilt=0.1),
    "slow: 1.5 times the time": Candidate(slower=1.5),
    "slow by the margin, 1.2 times": Candidate(slower=MARGINS.latency_ratio),
    "fails 2 % of requests": Candidate(errors=0.02),
}
EPISODES = Candidate(episode=50)
UNEQUAL_KEYS = Candidate(by_key=0.02)


def _cells(results: Sequence[Outcome]) -> list[str]:
    kinds = np.array([result.kind for result in results])
    cells = [share_cell(kinds == kind) for kind in ("promote", "undecided", "roll_back")]
    sizes = [result.num_pairs for result in results if result.kind != "undecided"]
    return [*cells, f"{np.median(sizes):,.0f}" if sizes else ""]


def _rows(
    candidates: Mapping[str, Candidate], margins: Margins, num_sets: int
) -> Iterator[Sequence[str]]:
    for name, candidate in candidates.items():
        for num_keys in NUM_KEYS:
            results = outcomes(candidate, num_keys, margins, num_sets)
            yield [name, f"{num_keys:,}", *_cells(results)]


def _dependence(num_sets: int) -> Iterator[Sequence[str]]:
    once = replace(MARGINS, repeat_rows=1)
    cases = {
        "equal, answers repeated over 50 rows of a key": (EPISODES, 1, MARGINS),
        "the same, each row counts": (EPISODES, 1, once),
        "equal, 100 requests of a key in a row": (Candidate(), 100, MARGINS),
        "equal only on average over the keys": (UNEQUAL_KEYS, 1, MARGINS),
        "the same, 100 requests of a key in a row": (UNEQUAL_KEYS, 100, MARGINS),
    }
    for name, (candidate, bursts, margins) in cases.items():
        yield [name, "20", *_cells(outcomes(candidate, 20, margins, num_sets, bursts=bursts))]


def _unpaired(num_sets: int) -> Iterator[Sequence[str]]:
    rng = np.random.default_rng(0)
    for num_keys in (20, 50, 200, 2_000):
        hits = np.array([unpaired_rollback(rng, num_keys) for _ in range(num_sets)])
        yield [f"{num_keys:,}", share_cell(hits)]


def _expected() -> Iterator[Sequence[str]]:
    for differing in (0.0, 0.005, 0.01, 0.02, 0.03):
        cells = [f"{differing:.1%}".replace("%", " %")]
        for margins in (MARGINS, WITH_LABELS):
            expected = expected_requests(margins, differing=differing)
            sizes = (expected.requests, expected.nine_of_ten)
            cells += [f"{size:,}" if size else "> 100,000" for size in sizes]
        yield [*cells, f"{expected.labels:,}"]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields how rollouts end, for candidates with a known truth."""
    ends = ("promoted", "held", "rolled back", "median requests")
    halves = ("half", "nine of ten")
    head = ("candidate", "keys", *ends)
    yield Table(
        title="With labels, each 2,000 requests late.",
        head=head,
        rows=_rows(LABELLED, WITH_LABELS, num_sets),
    )
    fewer = max(num_sets // 5, 1)
    yield Table(title="Without labels.", head=head, rows=_rows(UNLABELLED, MARGINS, fewer))
    yield Table(
        title="Dependent requests, without labels.", head=head, rows=_dependence(num_sets // 2)
    )
    yield Table(
        title="An equal model with 10 % of the keys, by an unpaired test of its errors.",
        head=("keys", "rolled back"),
        rows=_unpaired(num_sets),
    )
    yield Table(
        title="Expected requests until promotion, said before the start.",
        head=("decisions differ on", *halves, *(f"{head}, labels" for head in halves), "labels"),
        rows=_expected(),
    )
