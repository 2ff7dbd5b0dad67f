"""The scorecard as a chart: each scenario's chunks, and what was known and done in each."""

from dataclasses import dataclass
from enum import Enum

from jinja2 import Environment, PackageLoader, StrictUndefined

from production.simulation.results.scorecard import DayFacts, Outcome, Scorecard
from production.simulation.scenarios import Action

_LEFT, _TOP, _CELL, _ROW, _RESULT = 140, 72, 30, 24, 420
_LETTER = 8.5  # of the title
_INK, _RED = "#202124", "#c5221f"


class _State(Enum):
    """What is known and done in a chunk: colour, ink and words."""

    QUIET = ("#e8eaed", _INK, "nothing is wrong")
    FALSE_ALARM = ("#d01884", "#ffffff", "false alarm")
    UNNOTICED = ("#f9ab00", _INK, "wrong, unnoticed")
    NOTICED = ("#1a73e8", "#ffffff", "noticed")
    HANDLED = ("#188038", "#ffffff", "handled")


@dataclass(frozen=True, kw_only=True)
class _Cell:
    colour: str
    ink: str
    words: str
    num_wrong: int


def draw(scorecard: Scorecard) -> str:
    """Returns the chart as SVG."""
    num_days = max((len(outcome.days) for outcome in scorecard.outcomes), default=0)
    right = _LEFT + _CELL * num_days + 12
    environment = Environment(
        loader=PackageLoader("production.simulation.results", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("chart.svg.j2").render(
        title=scorecard.words(),
        legend=[{"colour": state.value[0], "words": state.value[2]} for state in _State],
        rows=[_row(outcome) for outcome in scorecard.outcomes],
        left=_LEFT,
        top=_TOP,
        right=right,
        width=max(right + _RESULT, _LETTER * len(scorecard.words()) + 24, 800),
        height=_TOP + _ROW * len(scorecard.outcomes) + 36,
    )


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.scenario.name,
        "name_colour": _INK if outcome.is_passed else _RED,
        "cells": [_cell(outcome, day) for day in outcome.days],
        "result": _result(outcome),
        "result_colour": _INK if outcome.is_passed else _RED,
    }


def _cell(outcome: Outcome, day: DayFacts) -> _Cell:
    colour, ink, _ = _state(outcome, day).value
    return _Cell(colour=colour, ink=ink, words=day.words(), num_wrong=day.num_wrong)


def _state(outcome: Outcome, day: DayFacts) -> _State:
    if not outcome.is_harmful or day.number < outcome.scenario.since:
        return _State.FALSE_ALARM if day.alarms else _State.QUIET
    caught, handled = outcome.caught, outcome.handled
    if handled is not None and day.number >= handled.number:
        return _State.HANDLED
    return _State.NOTICED if caught and day.number >= caught.number else _State.UNNOTICED


def _result(outcome: Outcome) -> str:
    if outcome.problem:
        return outcome.problem.splitlines()[0]
    action = outcome.scenario.action
    done = (
        ""
        if action is Action.NOTHING
        else f"{action.value}{'' if outcome.is_handled else ': NOT DONE'}"
    )
    if not outcome.is_harmful:
        alarms = f"{outcome.num_false_alarms} false alarms"
        return f"{alarms}; {done}" if done else alarms
    if outcome.caught is None:
        return f"noticed by NOBODY; {done}"
    guards = ", ".join(outcome.caught_by)
    return f"{guards}, chunk {outcome.delay}; {done}"
