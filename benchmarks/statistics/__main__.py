"""The claims of the documents on statistics, measured on simulated data whose truth is known.

    python -m benchmarks.statistics calibration thresholds gate

Prints the tables of benchmarks/statistics.md, or those of the sections that are named.
"""

from collections.abc import Callable, Iterator, Mapping

import click

from benchmarks.statistics import (
    calibration,
    drift,
    init,
    monitoring,
    pages,
    rollouts,
    splits,
    thresholds,
)
from benchmarks.statistics.gate import cross_fitting
from benchmarks.statistics.gate import section as gate
from benchmarks.statistics.tables import Table

# A section's tables, from the number of simulated sets for each row.
SECTIONS: Mapping[str, Callable[[int], Iterator[Table]]] = {
    "calibration": calibration.tables,
    "thresholds": thresholds.tables,
    "gate": gate.tables,
    "cross_fitting": cross_fitting.tables,
    "splits": splits.tables,
    "pages": pages.tables,
    "init": init.tables,
    "drift": drift.tables,
    "rollouts": rollouts.tables,
    "monitoring": monitoring.tables,
}


@click.command(context_settings={"show_default": True})
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--sets", default=1_000, help="Simulated sets for each row.")
def main(sections: tuple[str, ...], sets: int) -> None:
    """Prints the tables of SECTIONS, by default of all."""
    for name in sections or SECTIONS:
        for table in SECTIONS[name](sets):
            table.print()


if __name__ == "__main__":
    main()
