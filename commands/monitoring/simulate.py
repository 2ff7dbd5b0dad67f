"""`faultline simulate`: months of production in minutes, with faults whose truth is known."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from commands.queries import print_answer
from common.errors import InputError
from common.output_folder import open_output, replace_file
from production.simulation.results.chart import draw
from production.simulation.results.scorecard import Scorecard
from production.simulation.scenarios import SCENARIOS, Scenario

LIST, ALL = "list", "all"


def simulate(names: tuple[str, ...], output: Path, *, short: bool, seed: int, as_json: bool) -> int:
    """Flies scenarios and prints their scorecard; returns the exit code, 1 if a goal was missed.

    Args:
        names: Scenarios, `all`, or `list` for the list of scenarios.
        output: The output folder.
        short: Whether to fly short scenarios with a small model.
        seed: Seed of every random draw.
        as_json: JSON on standard output, text on standard error.

    Raises:
        InputError: A scenario is unknown, or Envoy is not installed.
        StepFailedError: The model was not trained.
    """
    if LIST in names:
        values = [_facts(scenario) for scenario in SCENARIOS.values()]
        print_answer(values, _list, as_json=as_json)
        return 0
    chosen = _choose(names)
    if short:
        chosen = [scenario.shortened() for scenario in chosen]
    scorecard = _fly(chosen, output, short=short, seed=seed)
    print_answer(scorecard.to_json(), scorecard.table, as_json=as_json)
    return 0 if scorecard.is_passed else 1


def _fly(chosen: list[Scenario], output: Path, *, short: bool, seed: int) -> Scorecard:
    from production.gateway.envoy_files import envoy_program
    from production.simulation.flight import fly
    from production.simulation.workspace import SHORT, Size, Workspace

    envoy_program()
    root = open_output(output).simulations
    root.mkdir(parents=True, exist_ok=True)
    size = SHORT.with_seed(seed) if short else Size(seed=seed)
    workspace = Workspace(root=root, size=size)
    console = Console(stderr=True)
    with console.status("Training the model of the simulator"):
        workspace.prepare()
    outcomes = []
    for number, scenario in enumerate(chosen, start=1):
        console.print(f"[bold]{scenario.name}[/bold] ({number} of {len(chosen)}): {scenario.words}")
        outcomes.append(fly(workspace, scenario, lambda line: console.print(f"  {line}")))
    scorecard = Scorecard(outcomes=outcomes)
    replace_file(root / "scorecard.json", json.dumps(scorecard.to_json(), indent=2).encode())
    replace_file(root / "scorecard.svg", draw(scorecard).encode())
    console.print(f"Written: {root / 'scorecard.svg'} and scorecard.json")
    return scorecard


def _choose(names: tuple[str, ...]) -> list[Scenario]:
    if ALL in names:
        return list(SCENARIOS.values())
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown or not names:
        asked = f"There is no scenario {unknown[0]}." if unknown else "Name a scenario."
        raise InputError(f"{asked} `faultline simulate list` lists them; `all` flies all.")
    return [SCENARIOS[name] for name in names]


def _facts(scenario: Scenario) -> dict[str, object]:
    return {
        "name": scenario.name,
        "injected": scenario.words,
        "guards": list(scenario.guards),
        "right_action": scenario.action,
        "since_chunk": scenario.since,
        "num_chunks": scenario.num_days,
    }


def _list() -> Table:
    table = Table(box=None)
    for name in ("scenario", "what is injected", "who ought to notice", "right action"):
        table.add_column(name)
    for scenario in SCENARIOS.values():
        guards = " or ".join(scenario.guards) or "-"
        table.add_row(scenario.name, scenario.words, guards, scenario.action)
    return table
