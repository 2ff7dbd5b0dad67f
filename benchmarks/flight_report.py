"""The page of flights: what is kept of each scenario and seed, its tables and its chart."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from production.simulation.quiet.plant import Order
from production.simulation.quiet.years import Effort, QuietYears
from production.simulation.results.chart import draw
from production.simulation.results.scorecard import IN_TIME, SHARE, Outcome, Scorecard
from production.simulation.scenarios import SCENARIOS, Action

YEARS, _SEEDS, _COMMIT = "quiet_years", "seeds", "commit"
Kept = dict[str, Any]
# The right action of a scenario before it was changed, and so how a seed counts by that.
_BEFORE = {"new_firmware": Action.RETRAIN}
# Measured on 2026-11-28 with the model of seed 7, on 4,000 faults of each mix and 8,000 requests of
# the new firmware; the likelihood ratio test at one false alarm in 365 days, simulated.
_RED = """## What is red

* `fault_mix` costs nothing: the served model finds 93.8 ± 0.8 % of the faults as trained, and
  93.6 ± 0.8 % of the changed mix. It is also hard to see. There are ten faults a day; the
  likelihood ratio test, which knows both mixes and the kind of every fault, sees the change
  within 3 days in 28 % of the cases, within 5 days in 54 %, within 10 days in 91 %, with one
  false alarm in 365 days. A guard without this knowledge sees less. No guard was built for it. It
  counts as harmful all the same.
* `subtle_candidate` is rolled back by the labels, but only after thousands of compared requests: a
  chunk has ten faults. With seed 3 it was not in the 15 days of the flight. Until then it answers
  20 and then 60 % of the keys. It is never promoted.
  [README.md](README.md#slightly-worse-candidates) has such rollouts, simulated.
* `new_firmware`: the right action is the quarantine with its alarm, as for all broken data. Until
  2026-11-28 it was a retraining, and the scenario was red; the column "as counted before" has it
  so. Half of the rows have a software version that no training row has. Whether 4.5 % too much
  current is the new truth or a fault of the new recorders, no guard can know; a person says it by
  `faultline monitor --release`. There is also no trigger for a retraining: the model loses nothing.
  It finds 94.3 ± 2.7 % of the faults of such days, with 0.6 % false alarms instead of 0.5 %.
* `prevalence` and `unseen_fault` were in time with seed 7 only. Of their first flights with the
  seeds 0, 1 and 2, at commit dc0aa0c, five of six were not caught within 3 chunks and none was
  handled. The tests of labels averaged over all chunks of a version, so that good days hid the bad
  ones; no test counted the faults themselves; and whether a retraining began was decided by an
  estimate that does not see such faults. At commit 5828d3c labels are also tested for a rise, the
  faults are counted, and a measured loss begins a retraining. So these three seeds are no longer
  unseen for these two scenarios.
* The guards were built with seed 7, and its flights are older, of several commits: it is no proof.
  Seed 3 is one: it was flown whole, on one commit, after these mends, and nothing was changed for
  it. With the seeds 0, 1 and 2, what was at the edge was flown again and no more."""


def keep(kept: Mapping[str, Any], outcome: Outcome, *, seed: int, commit: str) -> Kept:
    """Returns what is kept with one more flight, which replaces that of its scenario and seed.

    Args:
        kept: What was kept before.
        outcome: The flight.
        seed: Its seed.
        commit: The code that was flown.
    """
    seeds = {number: dict(flights) for number, flights in kept.get(_SEEDS, {}).items()}
    flight = outcome.to_json() | {_COMMIT: commit}
    seeds.setdefault(str(seed), {})[outcome.scenario.name] = flight
    return {**kept, _SEEDS: seeds}


def scorecards(kept: Mapping[str, Any]) -> dict[int, Scorecard]:
    """Returns seed to its scorecard, scenarios in their usual order."""
    return {
        int(seed): Scorecard(
            outcomes=[
                Outcome.from_json(SCENARIOS[name], kept[_SEEDS][seed][name])
                for name in SCENARIOS
                if name in kept[_SEEDS][seed]
            ]
        )
        for seed in sorted(kept.get(_SEEDS, {}), key=int)
    }


def write_report(kept: Mapping[str, Any], folder: Path) -> None:
    """Writes the page, and the chart of each seed.

    Args:
        kept: What is kept.
        folder: Where `flight.md` and `flight_SEED.svg` are written.
    """
    for seed, scorecard in scorecards(kept).items():
        (folder / _chart(seed)).write_text(draw(scorecard))
    (folder / "flight.md").write_text("\n".join(report(kept)) + "\n")


def report(kept: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of the page."""
    cards = scorecards(kept)
    yield from (
        "# Flights",
        "",
        "`python -m benchmarks.flight --seed SEED` flies all scenarios of the [flight simulator]"
        "(../docs/simulator.md) on a shared machine with 2 cores. A seed is that of the training "
        "data, the model and all days. Guards that were mended after a flight are at the "
        "end of this page.",
        "",
        *_seeds(cards),
        "",
        *_years(kept),
        *_scenarios(cards),
        "",
        *_commits(kept),
        "",
        *(f"![Each scenario's chunks, seed {seed}]({_chart(seed)})\n" for seed in cards),
        _RED,
    )


def _chart(seed: int) -> str:
    return f"flight_{seed}.svg"


def _seeds(cards: Mapping[int, Scorecard]) -> Iterator[str]:
    """Yields the table of seeds."""
    yield (
        f"| seed | caught within {IN_TIME} chunks | handled | both, at least {SHARE:.0%} "
        "| both, as counted before | false alarms in quiet chunks | false alarms before changes |"
    )
    yield "|---|---|---|---|---|---|---|"
    for seed, card in cards.items():
        harmful, num = card.harmful, len(card.harmful)
        is_whole = len(card.outcomes) == len(SCENARIOS)
        passed = sum(one.is_passed for one in harmful)
        chunks = sum(len(one.days) for one in card.quiet)
        cells = (
            str(seed),
            f"{sum(one.is_in_time for one in harmful)} of {num}",
            f"{sum(one.is_handled for one in harmful)} of {num}",
            f"{passed} of {num}" + (f", {passed / num:.0%}" if is_whole else " flown"),
            f"{sum(_as_before(one).is_passed for one in harmful)} of {num}",
            f"{sum(one.num_false_alarms for one in card.quiet)} in {chunks}",
            str(sum(one.num_false_alarms for one in harmful)),
        )
        yield f"| {' | '.join(cells)} |"
    for seed, card in cards.items():
        flown = {one.scenario.name for one in card.outcomes}
        if missing := [name for name in SCENARIOS if name not in flown]:
            yield f"\nNot flown with seed {seed}: {', '.join(missing)}."


def _as_before(outcome: Outcome) -> Outcome:
    """The outcome as it counted before the right action of a scenario was changed."""
    action = _BEFORE.get(outcome.scenario.name, outcome.scenario.action)
    return replace(outcome, scenario=replace(outcome.scenario, action=action))


def _years(kept: Mapping[str, Any]) -> Iterator[str]:
    if YEARS not in kept:
        return
    years = QuietYears.from_json({n: one for n, one in kept[YEARS].items() if n != _COMMIT})
    yield (
        f"{years.words()} Each year has training data of its own. The recordings were answered "
        "by a real server; the chunks are drawn from them, and compared in memory by the "
        "monitor's own functions. Alarms of drift and of estimated loss, with Poisson's "
        f"intervals of 95 %. Flown at commit {kept[YEARS][_COMMIT]}."
    )
    asked = len(Order) * Effort().years
    if len(years.years) < asked:
        yield f"{asked} years are asked for; the others have not been flown yet."
    yield ""


def _scenarios(cards: Mapping[int, Scorecard]) -> Iterator[str]:
    """Yields the table of scenarios; cells with one value for each seed are in their order."""
    seeds = ", ".join(map(str, cards))
    names = ("scenario", "injected", "caught by", "after chunks", "right action", "done")
    harm = ("wrong answers", "unanswered", "cost")
    yield f"Several values in a cell are those of the seeds {seeds}. The harm is a mean of them."
    yield ""
    yield f"| {' | '.join((*names, *harm))} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in SCENARIOS:
        outcomes = [
            one for card in cards.values() for one in card.outcomes if one.scenario.name == name
        ]
        if outcomes:
            yield f"| {' | '.join(_cells(outcomes))} |"


def _cells(outcomes: Sequence[Outcome]) -> Iterator[str]:
    scenario = outcomes[0].scenario
    yield from (scenario.name, scenario.words)
    if scenario.is_harmful:
        yield _each(outcomes, lambda one: ", ".join(one.caught_by) or "**nobody**", "; ")
        yield _each(outcomes, _delay)
    else:
        yield from "--"
    yield scenario.action.value
    yield _each(outcomes, _done)
    if not scenario.is_harmful:
        yield from "---"
        return
    for name, unit in (("num_wrong", ""), ("num_failures", ""), ("cost", f" {outcomes[0].unit}")):
        mean = sum(one.sum_of(name) for one in outcomes) / len(outcomes)
        yield f"{mean:,.0f}{unit}"


def _delay(outcome: Outcome) -> str:
    text = "-" if outcome.delay is None else str(outcome.delay)
    return text if outcome.is_in_time else f"**{text}**"


def _done(outcome: Outcome) -> str:
    if outcome.problem:
        return f"**{outcome.problem.splitlines()[0]}**"
    if not outcome.is_harmful and outcome.num_false_alarms:
        return f"**{outcome.num_false_alarms} false alarms**"
    return "yes" if outcome.is_handled else "**no**"


def _each(outcomes: Sequence[Outcome], say: Callable[[Outcome], str], mark: str = ", ") -> str:
    """The words of each seed, once if they are all the same."""
    words = [say(outcome) for outcome in outcomes]
    return words[0] if len(set(words)) == 1 else mark.join(words)


def _commits(kept: Mapping[str, Any]) -> Iterator[str]:
    """Yields which code was flown."""
    by_commit: dict[str, dict[str, list[str]]] = {}
    for seed, flights in sorted(kept.get(_SEEDS, {}).items(), key=lambda one: int(one[0])):
        for name in SCENARIOS:
            if name in flights:
                names = by_commit.setdefault(flights[name][_COMMIT], {}).setdefault(seed, [])
                names.append(name)
    for commit, seeds in by_commit.items():
        words = [
            f"seed {seed}: {'all' if len(names) == len(SCENARIOS) else ', '.join(names)}"
            for seed, names in seeds.items()
        ]
        yield f"* Flown at commit {commit}: {'; '.join(words)}."
