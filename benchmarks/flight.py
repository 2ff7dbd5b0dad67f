"""The flight simulator in its long form: all scenarios, then quiet years, with their chart.

`python -m benchmarks.flight` writes `flight.md`, `flight.svg` and `flight.json` beside this file.
It takes about two hours. Scenarios named on the command line replace their earlier outcomes in
`flight.json`; the others are kept. Quiet years that were flown before are not flown again.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from common.output_folder import OutputFolder
from production.simulation.flight import fly
from production.simulation.quiet.plant import Order
from production.simulation.quiet.years import Effort, QuietYears, fly_quiet_years
from production.simulation.results.chart import draw
from production.simulation.results.scorecard import Outcome, Scorecard
from production.simulation.scenarios import SCENARIOS
from production.simulation.workspace import Workspace

HERE = Path(__file__).parent
YEARS, COMMITS = "quiet_years", "commits"
# Measured on 2026-11-28 with the scorecard's model, on 4,000 faults of each mix and 8,000 requests
# of the new firmware; the likelihood ratio test at one false alarm in 365 days, simulated.
_RED = """
## What is red

* `fault_mix` costs nothing: the served model finds 93.8 ± 0.8 % of the faults as trained, and
  93.6 ± 0.8 % of the changed mix. It is also hard to see. There are ten faults a day; the
  likelihood ratio test, which knows both mixes and the kind of every fault, sees the change
  within 3 days in 28 % of the cases, within 5 days in 54 %, within 10 days in 91 %, with one
  false alarm in 365 days. A guard without this knowledge sees less. No guard was built for it.
* `new_firmware` is seen on its first day: half of the rows have a software version that no
  training row has, so the chunk is broken and in quarantine. Retraining does not follow, as rows
  in quarantine are never trained on: a person has to say whether 4.5 % too much current is the
  new truth (`faultline monitor --release`). Nothing is lost meanwhile: the model finds 94.3 ± 2.7
  % of the faults of such days, with 0.6 % false alarms instead of 0.5 %.
* `subtle_candidate` is rolled back by the labels, but only after 3,600 compared requests, in the
  14th chunk: a chunk has ten faults. Until then it answers 20 and then 60 % of the keys. It is
  never promoted. [README.md](README.md#slightly-worse-candidates) has such rollouts, simulated.
  With it, 23 of 26 harmful scenarios are caught within 3 chunks and handled, 88 % where 90 % are
  the goal, so that `faultline simulate all` ends with exit code 1."""
_console = Console()


def main() -> None:
    """Flies what is asked for, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"scenarios and {YEARS}; all by default")
    parser.add_argument("--output", type=Path, default=Path("output"))
    parser.add_argument("--years", type=int, default=Effort().years, help="of each order of rows")
    options = parser.parse_args()
    names = options.names or [*SCENARIOS, YEARS]
    workspace = Workspace(root=OutputFolder(options.output.absolute()).simulations)
    workspace.prepare()
    kept = _read()
    for name in names:
        _console.print(f"[bold]{name}[/bold]")
        if name == YEARS:
            effort = Effort(years=options.years)
            kept[name] = fly_quiet_years(workspace, effort, _console.print).to_json()
        else:
            outcome = fly(workspace, SCENARIOS[name], _console.print)
            kept[name] = outcome.to_json()
        kept.setdefault(COMMITS, {})[name] = describe_commit()
        (HERE / "flight.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    write_report(kept)


def describe_commit() -> str:
    """Returns the commit of the code in words."""
    git = ("git", "-C", str(HERE.parent))
    commit = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return f"commit {commit}"


def _read() -> dict[str, Any]:
    path = HERE / "flight.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write_report(kept: Mapping[str, Any]) -> None:
    """Writes the table and the chart.

    Args:
        kept: Scenario to its outcome as JSON, and the quiet years.
    """
    outcomes = [
        Outcome.from_json(SCENARIOS[name], kept[name]) for name in SCENARIOS if name in kept
    ]
    scorecard = Scorecard(outcomes=outcomes)
    (HERE / "flight.svg").write_text(draw(scorecard))
    years = QuietYears.from_json(kept[YEARS]) if YEARS in kept else None
    lines = _report(scorecard, years, kept.get(COMMITS, {}))
    (HERE / "flight.md").write_text("\n".join(lines) + "\n")


def _report(
    scorecard: Scorecard, years: QuietYears | None, commits: Mapping[str, str]
) -> Iterator[str]:
    yield from (
        "# Flights",
        "",
        "`python -m benchmarks.flight` flies all scenarios of the [flight simulator]"
        "(../docs/simulator.md). One flight each, with one seed, on 2 cores of a shared machine.",
        "",
        scorecard.words(),
        "",
    )
    flown = {outcome.scenario.name for outcome in scorecard.outcomes}
    if missing := [name for name in SCENARIOS if name not in flown]:
        yield from (f"Not flown for this table: {', '.join(missing)}.", "")
    if years is not None:
        yield from (
            f"{years.words()} Each year has training data of its own. The recordings were answered "
            "by a real server; the chunks are drawn from them, and compared in memory by the "
            "monitor's own functions. Alarms of drift and of estimated loss, with Poisson's "
            "intervals of 95 %.",
            "",
        )
        asked = len(Order) * Effort().years
        if len(years.years) < asked:
            yield from (f"{asked} years are asked for; the others have not been flown yet.", "")
    yield from ("![Each scenario's chunks](flight.svg)", "")
    names = ("scenario", "injected", "caught by", "after chunks", "wrong answers", "unanswered")
    yield f"| {' | '.join((*names, 'cost', 'right action', 'false alarms'))} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    yield from (_row(outcome) for outcome in scorecard.outcomes)
    yield from ("", *_flown(scorecard, commits), _RED)


def _flown(scorecard: Scorecard, commits: Mapping[str, str]) -> Iterator[str]:
    """Yields which code was flown."""
    names = [outcome.scenario.name for outcome in scorecard.outcomes]
    names += [YEARS] if YEARS in commits else []
    by_commit: dict[str, list[str]] = {}
    for name in names:
        by_commit.setdefault(commits.get(name, "an earlier commit, of 2026-11-27"), []).append(name)
    for commit, flown in by_commit.items():
        yield f"* Flown at {commit}: {', '.join(flown)}."


def _row(outcome: Outcome) -> str:
    scenario = outcome.scenario
    guards = ", ".join(outcome.caught_by) or "**nobody**"
    harm: Sequence[str] = ("-",) * 5
    if outcome.is_harmful:
        harm = (
            guards,
            "-" if outcome.delay is None else str(outcome.delay),
            f"{outcome.sum_of('num_wrong'):,.0f}",
            f"{outcome.sum_of('num_failures'):,.0f}",
            f"{outcome.sum_of('cost'):,.0f} {outcome.unit}",
        )
    action = scenario.action.value if outcome.is_handled else f"**{scenario.action}: not done**"
    cells = [scenario.name, scenario.words, *harm, action, str(outcome.num_false_alarms)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
