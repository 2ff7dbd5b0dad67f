"""The flight simulator in its long form: all scenarios with a seed, or quiet years.

`python -m benchmarks.flight --seed 1` writes `flight.md`, `flight.svg` and `flight.json` beside
this file. A seed, of the training data as of all days, takes about an hour. A flight replaces the
earlier one of its scenario and seed in `flight.json`; the others are kept, and `--report` writes
the page of them. Quiet years that were flown before are not flown again.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.flight_report import YEARS, Kept, keep, write_report
from common.output_folder import OutputFolder
from production.simulation.flight import fly
from production.simulation.quiet.years import Effort, fly_quiet_years
from production.simulation.scenarios import SCENARIOS
from production.simulation.workspace import Size, Workspace

HERE = Path(__file__).parent
_KEPT = HERE / "flight.json"
_console = Console()


def main() -> None:
    """Flies what is asked for, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"scenarios, or {YEARS}; all scenarios by default")
    parser.add_argument("--output", type=Path, default=Path("output"))
    parser.add_argument("--seed", type=int, default=0, help="of the scenarios")
    parser.add_argument("--years", type=int, default=Effort().years, help="of each order of rows")
    parser.add_argument("--report", action="store_true", help="flies nothing")
    options = parser.parse_args()
    simulations = OutputFolder(options.output.absolute()).simulations
    names = options.names or list(SCENARIOS)
    if not options.report:
        if YEARS in names:
            _fly_years(simulations, options.years)
        _fly_scenarios(simulations, [name for name in names if name != YEARS], options.seed)
    write_report(_read(), HERE)


def _fly_years(simulations: Path, num_years: int) -> None:
    workspace = Workspace(root=simulations)
    workspace.prepare()
    years = fly_quiet_years(workspace, Effort(years=num_years), _console.print).to_json()
    _write(_read() | {YEARS: years | {"commit": describe_commit()}})


def _fly_scenarios(simulations: Path, names: Sequence[str], seed: int) -> None:
    workspace = Workspace(root=simulations / f"seed-{seed}", size=Size(seed=seed))
    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.prepare()
    for name in names:
        _console.print(f"[bold]{name}, seed {seed}[/bold]")
        outcome = fly(workspace, SCENARIOS[name], _console.print)
        _write(keep(_read(), outcome, seed=seed, commit=describe_commit()))


def describe_commit() -> str:
    """Returns the commit of the code."""
    git = ("git", "-C", str(HERE.parent))
    return subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def _read() -> Kept:
    return dict(json.loads(_KEPT.read_text())) if _KEPT.exists() else {}


def _write(kept: Kept) -> None:
    _KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
