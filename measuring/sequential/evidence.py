"""Evidence for and against a candidate in a rollout, from both models' answers."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from measuring.intervals import effective_groups
from measuring.sequential import promotion
from measuring.sequential.betting import BettingTests, e_value
from measuring.sequential.latency import LatencyTests
from measuring.sequential.losses import LossDifferences
from measuring.sequential.ratio import RatioTest

ANSWERS_AGAINST = ("more_alarms", "fewer_alarms", "differing")
ANSWERS_FOR = ("alarms_not_risen", "alarms_not_fallen", "agreeing")
# Keys beyond this number are not told apart from one another.
_MAX_KEYS = 10_000

Kind = Literal["promote", "roll_back", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Margins:
    """What a candidate may change in production, and how sure a decision must be.

    Attributes:
        alpha: Probability of a wrong decision, in (0, 1): half for promotion, half for rolling
            back.
        alarm_change: Alarms per request, more or fewer, in (0, 1).
        differing: Share of the requests with differing decisions, in (0, 1).
        loss_rise: Rise of the mean loss per request, in units of the dearer error, in (0, 1).
        latency_ratio: Time of an answer, as a multiple of the stable model's, >= 1.
        min_pairs: Least number of pairs for promotion.
        min_keys: Least effective number of keys for promotion, if requests have keys.
        repeat_rows: The same difference on the same key counts against the candidate only once
            in so many rows of the key.
        labels_required: Whether promotion also needs a loss within `loss_rise`.
        miss: Cost of a miss, > 0, in any unit.
        false_alarm: Cost of a false alarm, > 0, in the same unit.
    """

    alpha: float = 0.05
    alarm_change: float = 0.01
    differing: float = 0.05
    loss_rise: float = 0.005
    latency_ratio: float = 1.2
    min_pairs: int = 1_000
    min_keys: int = 5
    repeat_rows: int = 5
    labels_required: bool = False
    miss: float = 1.0
    false_alarm: float = 1.0

    @property
    def threshold(self) -> float:
        """The capital at which a test rejects its null hypothesis."""
        return 2 / self.alpha


class PairedAnswers(Protocol):
    """Both models' answers to the same requests; arrays of equal length, in order."""

    @property
    def request_id(self) -> NDArray[Any]:
        """Id of each request."""

    @property
    def row(self) -> NDArray[Any]:
        """Row of the request."""

    @property
    def key(self) -> NDArray[Any]:
        """What the request is about, such as a sensor; None without."""

    @property
    def stable_decision(self) -> NDArray[Any]:
        """1 for an alarm of the stable model."""

    @property
    def candidate_decision(self) -> NDArray[Any]:
        """1 for an alarm of the candidate."""

    @property
    def stable_latency_ms(self) -> NDArray[Any]:
        """Time of the stable model's answer; NaN if unknown."""

    @property
    def candidate_latency_ms(self) -> NDArray[Any]:
        """Time of the candidate's answer; NaN if unknown."""


@dataclass(frozen=True, kw_only=True)
class ArmCounts:
    """Requests that reached the server of an arm, mirrored copies included.

    Attributes:
        requests: All of them.
        errors: Those that the server failed to answer, through no fault of the request.
    """

    requests: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the evidence says now.

    Attributes:
        kind: The decision.
        reasons: Names of the tests behind it; for `undecided` those that promotion still needs.
        e_values: The capital of each test; of those for promotion, the largest so far.
        against: Mean capital of the tests against the candidate.
        num_pairs: Requests that both models answered.
        num_keys: Keys among them.
        effective_keys: Number of equally frequent keys that are worth as much.
        num_labelled: Requests with differing decisions whose label is known.
        num_waiting: Requests with differing decisions that wait for a label.
        pairs_needed: Estimate of the pairs that promotion still needs; None if it is out of reach
            as the answers are now.
        keys_needed: Effective number of keys still missing.
    """

    kind: Kind
    reasons: tuple[str, ...]
    e_values: Mapping[str, float]
    against: float
    num_pairs: int
    num_keys: int
    effective_keys: float
    num_labelled: int
    num_waiting: int
    pairs_needed: int | None
    keys_needed: int

    def to_json(self) -> dict[str, Any]:
        """Returns this as a JSON object."""
        return asdict(self)


class PairedEvidence:
    """Tests of a candidate beside the stable model, valid at every look.

    **What it can say without labels.** Quality was judged by the gate, with labels. Without them,
    the rollout judges that the candidate behaves in production as the stable model does: alarms per
    request within `alarm_change`, decisions that differ on at most `differing` of the requests,
    errors, and time. It cannot say which of two differing decisions is right. But decisions that
    differ on a share q of the requests cannot raise the mean loss by more than q, in units of the
    dearer error. So `differing` is also a bound on the harm. A better model may need a wider one.

    **With labels**, the losses of both models on the same requests are compared. Only requests with
    differing decisions need a label, of either model's alarm; see `LossDifferences`.

    **Rolling back.** The mean of six capitals reaches 2 / alpha: more alarms, fewer alarms,
    differing decisions, a larger loss, more errors of the server, slower answers. A mean of
    e-values is an e-value under any dependence, so the probability of rolling back a candidate for
    which all six null hypotheses hold is at most alpha / 2.

    **Promotion.** Each of its tests has reached 2 / alpha: alarms not risen by `alarm_change`, not
    fallen by it, decisions differing on less than `differing`, and, if `labels_required`, a loss
    not risen by `loss_rise`; and, where times are known, answers that typically take less than
    `latency_ratio` times as long, which takes at least ten updates. All of them are needed (an
    intersection-union test), so that the probability of promoting a candidate that is at or beyond
    one of these margins is at most alpha / 2. Errors of the server and the slowest answers have no
    such test; they can only speak against the candidate.

    **When this holds.** Keys may be few and unlike each other, and rows of a key may depend on each
    other, because each request is answered by both models. For rolling back, what must hold is that
    given the past, the next difference has a mean within the margin. That is true of equal models
    in any order of the requests: their differences are symmetric. It is also true if requests of
    all keys are mixed, and the mean over the keys is within the margin. It is not true of models
    that are equal on average but not for each key, while one key sends most of the requests; nor of
    one difference repeated over the rows of a long episode. The latter is why `repeat_rows` counts
    it once. For promotion, a calm time says nothing of the next fault: `min_pairs`, `min_keys` and
    the least time of each step are for that.

    References:
        Vovk & Wang (2021), E-values: calibration, combination and applications, Annals of
        Statistics 49: the mean is the only admissible symmetric merging function. Berger (1982),
        Multiparameter hypothesis testing and acceptance sampling, Technometrics 24:
        intersection-union tests.
    """

    def __init__(self, margins: Margins) -> None:
        """Starts without evidence."""
        self.margins = margins
        change, differing = margins.alarm_change, margins.differing
        means = promotion.largest_answer_means(alarm_change=change, differing=differing)
        least = means[0]
        self._answers = BettingTests(
            [1 - least, 1 - least, differing, *means],
            [0.5, 0.5, differing, *promotion.ANSWER_GUESSES],
        )
        self._loss_tests = BettingTests(
            [promotion.largest_loss_mean(margins.loss_rise), 0.5], [promotion.LOSS_GUESS, 0.5]
        )
        dearer = max(margins.miss, margins.false_alarm)
        self._losses = LossDifferences(
            miss=margins.miss / dearer, false_alarm=margins.false_alarm / dearer
        )
        self._errors = RatioTest()
        self._latency = LatencyTests(margins.latency_ratio)
        self._key_counts: dict[str, int] = {}
        self._last_differences: dict[str, tuple[int, int]] = {}
        self._log_not_slower = 0.0
        self._against: tuple[str, ...] = ()

    def update(self, pairs: PairedAnswers) -> None:
        """Takes both models' answers; each pair once, in the order of the requests."""
        differences = pairs.candidate_decision.astype(np.int64) - pairs.stable_decision
        counted = self._count_keys(pairs.key.tolist(), differences)
        signed = differences.astype(np.float64)
        fresh = np.where(counted, signed, 0.0)
        against = [(1 + fresh) / 2, (1 - fresh) / 2, np.abs(fresh)]
        self._answers.update(np.stack([*against, *promotion.answer_values(signed)]))
        answers = list(zip(pairs.request_id.tolist(), pairs.row.tolist(), strict=True))
        self._bet_on_losses(self._losses.add(answers, differences, counted))
        self._latency.update(stable=pairs.stable_latency_ms, candidate=pairs.candidate_latency_ms)
        self._look()

    def update_labels(self, labels: Iterable[tuple[tuple[str, int], bool]]) -> None:
        """Takes labels as they arrive: ((request id, row), positive), in any order.

        They may be given again, and have to be after `from_json`: the state does not hold labels of
        requests that are yet to come. The first label of a request counts.
        """
        self._bet_on_losses(self._losses.label(labels))
        self._look()

    def update_errors(self, *, stable: ArmCounts, candidate: ArmCounts) -> None:
        """Takes the requests and errors of both arms since the last call."""
        requests = stable.requests + candidate.requests
        self._errors.update(
            candidate=candidate.errors,
            stable=stable.errors,
            weight=candidate.requests / requests if requests else 0.0,
        )
        self._look()

    def _bet_on_losses(self, differences: NDArray[np.float64]) -> None:
        for_promotion, for_rolling_back = differences
        against = (1 + for_rolling_back) / 2
        self._loss_tests.update(np.stack([promotion.loss_values(for_promotion), against]))

    def _count_keys(
        self, keys: list[str | None], differences: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Counts the keys; returns which pairs count against the candidate."""
        counted = np.ones(differences.size, dtype=np.bool_)
        counts, last = self._key_counts, self._last_differences
        for place, (key, difference) in enumerate(zip(keys, differences.tolist(), strict=True)):
            if key is None or (key not in counts and len(counts) >= _MAX_KEYS):
                continue
            now = counts[key] = counts.get(key, 0) + 1
            if not difference:
                continue
            before, when = last.get(key, (0, 0))
            if before == difference and now - when < self.margins.repeat_rows:
                counted[place] = False
            else:
                last[key] = (difference, now)
        return counted

    def _capitals_against(self) -> dict[str, float]:
        logs = self._answers.log_capitals[: len(ANSWERS_AGAINST)].tolist()
        return {
            **dict(zip(ANSWERS_AGAINST, map(e_value, logs), strict=True)),
            "loss_risen": e_value(float(self._loss_tests.log_capitals[1])),
            "errors": self._errors.e_value,
            "slow": self._latency.e_value,
        }

    def _look(self) -> None:
        """Keeps the largest evidence for promotion, and the first sufficient one against it."""
        self._log_not_slower = max(self._log_not_slower, self._latency.log_not_slower)
        capitals = self._capitals_against()
        if not self._against and _mean(capitals) >= self.margins.threshold:
            least = min(self.margins.threshold, max(capitals.values()))
            self._against = tuple(name for name, value in capitals.items() if value >= least)

    def verdict(self) -> Verdict:
        """Returns the decision that the evidence allows now, and what is still needed."""
        margins, capitals = self.margins, self._capitals_against()
        peaks = self._log_peaks_for()
        counts = np.array(list(self._key_counts.values()), dtype=np.float64)
        effective = effective_groups(counts)
        num_pairs = self._answers.num_values
        keys_needed = max(margins.min_keys - int(effective + 0.5), 0) if counts.size else 0
        missing = [name for name, log in peaks.items() if log < math.log(margins.threshold)]
        missing += ["min_pairs"] if num_pairs < margins.min_pairs else []
        missing += ["min_keys"] if keys_needed else []
        kind: Kind = "undecided" if missing else "promote"
        return Verdict(
            kind="roll_back" if self._against else kind,
            reasons=self._against or tuple(missing or peaks),
            e_values=capitals | {name: e_value(log) for name, log in peaks.items()},
            against=_mean(capitals),
            num_pairs=num_pairs,
            num_keys=counts.size,
            effective_keys=effective,
            num_labelled=self._losses.num_labelled,
            num_waiting=self._losses.num_waiting,
            pairs_needed=self._pairs_needed(missing),
            keys_needed=keys_needed,
        )

    def _log_peaks_for(self) -> dict[str, float]:
        """Largest log capital of each test that promotion needs."""
        answers = self._answers.log_peaks[len(ANSWERS_AGAINST) :].tolist()
        peaks = dict(zip(ANSWERS_FOR, answers, strict=True))
        if self.margins.labels_required:
            peaks["loss_not_risen"] = float(self._loss_tests.log_peaks[0])
        if self._latency.is_measured:
            peaks["not_slower"] = self._log_not_slower
        return peaks

    def _pairs_needed(self, missing: list[str]) -> int | None:
        growths = dict(
            zip(ANSWERS_FOR, self._answers.growth()[len(ANSWERS_AGAINST) :].tolist(), strict=True)
        ) | {"loss_not_risen": float(self._loss_tests.growth()[0])}
        capitals = dict(
            zip(ANSWERS_FOR, self._answers.log_capitals[len(ANSWERS_AGAINST) :], strict=True)
        ) | {"loss_not_risen": self._loss_tests.log_capitals[0]}
        needed = max(self.margins.min_pairs - self._answers.num_values, 0)
        for name in missing:
            if name not in growths:
                continue
            if growths[name] <= 0:
                return None
            rest = math.log(self.margins.threshold) - float(capitals[name])
            needed = max(needed, math.ceil(rest / growths[name]))
        capital = self._latency.log_not_slower
        if "not_slower" in missing and capital > 0:
            rest = math.log(self.margins.threshold) - capital
            needed = max(needed, math.ceil(self._answers.num_values * rest / capital))
        return needed

    def to_json(self) -> str:
        """Returns the state as JSON; `from_json` goes on with the same figures to the last bit.

        Labels of requests that are yet to come are not part of it.
        """
        return json.dumps(
            {
                "margins": asdict(self.margins),
                "answers": self._answers.to_state(),
                "loss_tests": self._loss_tests.to_state(),
                "losses": self._losses.to_state(),
                "errors": self._errors.to_state(),
                "latency": self._latency.to_state(),
                "log_not_slower": self._log_not_slower,
                "key_counts": self._key_counts,
                "last_differences": self._last_differences,
                "against": self._against,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the evidence that `to_json` wrote.

        Raises:
            ValueError: The text is not such a state.
        """
        try:
            state = json.loads(text)
            evidence = cls(Margins(**state["margins"]))
            evidence._restore(state)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a rollout's evidence: {error!r}") from error
        return evidence

    def _restore(self, state: dict[str, Any]) -> None:
        self._answers.with_state(state["answers"])
        self._loss_tests.with_state(state["loss_tests"])
        self._losses.with_state(state["losses"])
        self._errors.with_state(state["errors"])
        self._latency.with_state(state["latency"])
        self._log_not_slower = float(state["log_not_slower"])
        self._key_counts = dict(state["key_counts"])
        self._last_differences = {
            key: (sign, when) for key, (sign, when) in state["last_differences"].items()
        }
        self._against = tuple(state["against"])


def _mean(capitals: Mapping[str, float]) -> float:
    return sum(capitals.values()) / len(capitals)
