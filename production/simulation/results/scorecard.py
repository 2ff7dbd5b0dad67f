"""The scorecard: what each scenario showed, and whether the goals were reached."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table
from rich.text import Text

from production.simulation.scenarios import Action, Guard, Scenario

# The goals: caught within so many chunks, in such a share of the harmful scenarios.
IN_TIME = 3
SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class DayFacts:
    """What happened on a day.

    Attributes:
        number: Number of the day, from 0.
        num_rows: Requests.
        num_wrong: Answers that were not the truth.
        num_failures: Attempts without an answer.
        cost: What the wrong answers cost beyond right ones.
        num_lost: Answers that were not recorded.
        guards: Who noticed something on that day, or did so on an earlier one and still does.
        actions: What was done without a person.
        alarms: Ids of the alarms that were raised on that day.
    """

    number: int
    num_rows: int
    num_wrong: int
    num_failures: int
    cost: float
    num_lost: int = 0
    guards: frozenset[Guard] = frozenset()
    actions: frozenset[Action] = frozenset()
    alarms: tuple[str, ...] = ()

    def words(self) -> str:
        """Returns the day in a line."""
        parts = [f"day {self.number}: {self.num_rows} requests, {self.num_wrong} wrong"]
        if self.num_failures:
            parts.append(f"{self.num_failures} attempts unanswered")
        if self.num_lost:
            parts.append(f"{self.num_lost} answers not recorded")
        if self.guards:
            parts.append(f"noticed by {', '.join(sorted(self.guards))}")
        if self.actions:
            parts.append(f"done: {', '.join(sorted(self.actions))}")
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a scenario showed.

    Attributes:
        scenario: The scenario.
        days: Its days.
        unit: Unit of the costs; empty if there is none.
        seconds: How long it took.
        problem: Why it ended early; empty if it did not.
    """

    scenario: Scenario
    days: tuple[DayFacts, ...]
    unit: str = ""
    seconds: float = 0.0
    problem: str = ""

    @property
    def caught(self) -> DayFacts | None:
        """The first day on which a guard noticed the change; None if none did."""
        accepted = self.scenario.accepted_guards
        since = self.days[self.scenario.since :]
        return next((day for day in since if day.guards & accepted), None)

    @property
    def caught_by(self) -> list[Guard]:
        """The guards that noticed the change on that day."""
        return sorted(self.caught.guards & self.scenario.accepted_guards) if self.caught else []

    @property
    def is_harmful(self) -> bool:
        """Whether something is wrong in the scenario."""
        return self.scenario.is_harmful

    @property
    def delay(self) -> int | None:
        """Chunks from the change to its discovery, 1 for the first one; None if undiscovered."""
        return None if self.caught is None else self.caught.number - self.scenario.since + 1

    @property
    def is_in_time(self) -> bool:
        """Whether a guard noticed within three chunks."""
        return self.delay is not None and self.delay <= IN_TIME

    @property
    def handled(self) -> DayFacts | None:
        """The first day since the change with the right action; None without one."""
        action = self.scenario.action
        since = self.days[self.scenario.since :]
        return next((day for day in since if action in day.actions), None)

    @property
    def is_handled(self) -> bool:
        """Whether the right action was taken, or nothing where nothing is right."""
        return self.scenario.action is Action.NOTHING or self.handled is not None

    @property
    def is_passed(self) -> bool:
        """Whether a harmful scenario was caught in time and handled, or a quiet one left alone."""
        if self.problem:
            return False
        if not self.is_harmful:
            return self.num_false_alarms == 0 and self.is_handled
        return self.is_in_time and self.is_handled

    @property
    def exposed(self) -> tuple[DayFacts, ...]:
        """The days from the change to the day of the discovery; all of them if there was none."""
        if not self.is_harmful:
            return ()
        last = self.caught.number if self.caught else len(self.days) - 1
        return self.days[self.scenario.since : last + 1]

    @property
    def num_false_alarms(self) -> int:
        """Alarms before the change; all alarms of a quiet scenario."""
        quiet = self.days[: self.scenario.since] if self.is_harmful else self.days
        return len({alarm for day in quiet for alarm in day.alarms})

    def sum_of(self, name: str) -> float:
        """Returns the sum of a figure over the exposed days."""
        return float(sum(getattr(day, name) for day in self.exposed))

    def to_json(self) -> dict[str, Any]:
        """Returns the outcome as JSON values."""
        scenario = self.scenario
        return {
            "scenario": scenario.name,
            "injected": scenario.words,
            "since_chunk": scenario.since,
            "is_harmful": self.is_harmful,
            "expected_guards": list(scenario.guards),
            "right_action": scenario.action,
            "caught_by": self.caught_by,
            "chunks_until_caught": self.delay,
            "is_handled": self.is_handled,
            "handled_in_chunk": self.handled.number if self.handled else None,
            "num_wrong": int(self.sum_of("num_wrong")),
            "num_failures": int(self.sum_of("num_failures")),
            "cost": self.sum_of("cost"),
            "unit": self.unit,
            "num_false_alarms": self.num_false_alarms,
            "is_passed": self.is_passed,
            "problem": self.problem,
            "seconds": round(self.seconds, 1),
            "days": [
                asdict(day) | {"guards": sorted(day.guards), "actions": sorted(day.actions)}
                for day in self.days
            ],
        }

    @classmethod
    def from_json(cls, scenario: Scenario, values: Mapping[str, Any]) -> Self:
        """Returns the outcome of what `to_json` returned."""
        days = [
            DayFacts(
                **day
                | {
                    "guards": frozenset(Guard(name) for name in day["guards"]),
                    "actions": frozenset(Action(name) for name in day["actions"]),
                    "alarms": tuple(day["alarms"]),
                }
            )
            for day in values["days"]
        ]
        kept = {name: values[name] for name in ("unit", "seconds", "problem")}
        return cls(scenario=scenario, days=tuple(days), **kept)


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The outcomes of several scenarios.

    Attributes:
        outcomes: In the order in which they were flown.
    """

    outcomes: Sequence[Outcome]

    @property
    def harmful(self) -> list[Outcome]:
        """Those in which something is wrong."""
        return [outcome for outcome in self.outcomes if outcome.is_harmful]

    @property
    def quiet(self) -> list[Outcome]:
        """Those in which nothing is wrong."""
        return [outcome for outcome in self.outcomes if not outcome.is_harmful]

    @property
    def usual_cost(self) -> float | None:
        """Mean cost of a day before the changes, the measure of what a change cost."""
        costs = [day.cost for one in self.outcomes for day in one.days[: one.scenario.since]]
        return sum(costs) / len(costs) if costs else None

    @property
    def is_passed(self) -> bool:
        """Whether nine of ten harmful scenarios were handled in time, and the quiet left alone."""
        harmful = self.harmful
        num_passed = sum(outcome.is_passed for outcome in harmful)
        are_quiet = all(outcome.is_passed for outcome in self.quiet)
        return num_passed >= SHARE * len(harmful) and are_quiet

    def words(self) -> str:
        """Returns the result in one sentence."""
        harmful, quiet = self.harmful, self.quiet
        parts = []
        if harmful:
            caught = sum(outcome.is_in_time for outcome in harmful)
            handled = sum(outcome.is_handled for outcome in harmful)
            parts.append(
                f"{caught} of {len(harmful)} harmful scenarios caught within {IN_TIME} chunks, "
                f"{handled} handled without a person"
            )
        if quiet:
            alarms = sum(outcome.num_false_alarms for outcome in quiet)
            days = sum(len(outcome.days) for outcome in quiet)
            parts.append(f"{alarms} false alarms in {days} quiet chunks")
        return "; ".join(parts) + "."

    def to_json(self) -> dict[str, Any]:
        """Returns the scorecard as JSON values."""
        return {
            "is_passed": self.is_passed,
            "result": self.words(),
            "usual_cost_per_chunk": self.usual_cost,
            "scenarios": [outcome.to_json() for outcome in self.outcomes],
        }

    def table(self) -> Table:
        """Returns the scorecard for a terminal."""
        table = Table(title=self.words(), title_justify="left", title_style="bold")
        unit = next((f", {one.unit}" for one in self.outcomes if one.unit), "")
        for name in ("scenario", "caught by", "after chunks"):
            table.add_column(name)
        for name in ("wrong", "unanswered", f"cost{unit}"):
            table.add_column(name, justify="right")
        table.add_column("right action")
        table.add_column("false alarms", justify="right")
        for outcome in self.outcomes:
            table.add_row(*_cells(outcome))
        return table


def _cells(outcome: Outcome) -> list[Text]:
    return [
        Text(outcome.scenario.name, "green" if outcome.is_passed else "bold red"),
        _caught(outcome),
        _delay(outcome),
        Text(f"{outcome.sum_of('num_wrong'):,.0f}" if outcome.is_harmful else "-"),
        Text(f"{outcome.sum_of('num_failures'):,.0f}" if outcome.is_harmful else "-"),
        Text(f"{outcome.sum_of('cost'):,.0f}" if outcome.is_harmful else "-"),
        _handled(outcome),
        Text(str(outcome.num_false_alarms), "red" if outcome.num_false_alarms else ""),
    ]


def _caught(outcome: Outcome) -> Text:
    if outcome.problem:
        return Text(outcome.problem.splitlines()[0], "bold red")
    if outcome.caught is None:
        return Text("NOBODY", "bold red") if outcome.is_harmful else Text("-")
    return Text(", ".join(outcome.caught_by))


def _delay(outcome: Outcome) -> Text:
    if outcome.delay is None:
        return Text("-")
    return Text(str(outcome.delay), "" if outcome.is_in_time else "yellow")


def _handled(outcome: Outcome) -> Text:
    action = outcome.scenario.action
    if outcome.is_handled:
        return Text(action.value)
    return Text(f"{action.value}: NOT DONE", "bold red")
