"""Plants wrong labels in the signals data and looks for them in ErrorAnalyzer's list.

    python -m benchmarks.wrong_labels --share 0.01

One recording in a hundred gets the other label, in all splits alike; the use case runs as it is;
then the list of `test`, worst loss first, is searched for the planted ones. With `--healthy N` the
test split is larger.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from datasets.options import SignalOptions
from datasets.signals import simulate_span
from pipeline.components.error_analyzer.component import ERRORS_FILE

PROJECT = Path(__file__).resolve().parent.parent
_console = Console(width=100)


def plant(folder: Path, options: SignalOptions, share: float) -> set[str]:
    """Writes recordings of which a share has the wrong label, and returns their ids."""
    table = pa.Table.from_batches(simulate_span(options, 0))
    labels = table["is_faulty"].to_numpy().copy()
    rng = np.random.default_rng(options.seed)
    chosen = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[chosen] = 1 - labels[chosen]
    place = table.schema.get_field_index("is_faulty")
    column = pa.array(labels, table.schema.field(place).type)
    pq.write_table(table.set_column(place, "is_faulty", column), folder / "recordings.parquet")
    return {table["recording_id"][int(row)].as_py() for row in chosen}


def run(folder: Path) -> pa.Table:
    """Runs the signals use case on the folder's recordings and returns ErrorAnalyzer's list."""
    text = (PROJECT / "configs" / "signals.yaml").read_text(encoding="utf-8")
    start, end = text.index("  dataset: signals"), text.index("schema:")
    text = f"{text[:start]}  path: recordings.parquet\n{text[end:]}"
    text = text.replace("../schema", str(PROJECT / "schema"))
    config = folder / "signals.yaml"
    config.write_text(text, encoding="utf-8")
    output = folder / "output"
    command = [sys.executable, "faultline.py", "run", "--config", str(config)]
    done = subprocess.run(
        [*command, "--output", str(output)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted(output.glob(f"artifacts/signals/ErrorAnalyzer/analysis/*/{ERRORS_FILE}"))
    if not found:
        raise SystemExit(f"The run left no analysis:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return pq.read_table(found[-1])


def report(ranked: pa.Table, planted: set[str]) -> None:
    """Prints the share of the planted labels in the top of the list."""
    ids = ranked["recording_id"].to_pylist()
    is_planted = np.array([each in planted for each in ids])
    suspected = ranked["suspected_label"].to_numpy()
    number = int(is_planted.sum())
    table = Table(title=f"{number} of {len(ids)} test labels are wrong", title_justify="left")
    for header in ("of the list", "planted found", "share", "by chance"):
        table.add_column(header, justify="right")
    for words, size in (
        ("as many as planted", number),
        ("top 2 %", round(0.02 * len(ids))),
        ("top 5 %", round(0.05 * len(ids))),
    ):
        found = int(is_planted[:size].sum())
        share = found / max(number, 1)
        table.add_row(f"{words} ({size})", str(found), f"{share:.2f}", f"{size / len(ids):.2f}")
    right = int((suspected & is_planted).sum())
    _console.print(table)
    _console.print(
        f"confident learning suspects {int(suspected.sum())} labels, {right} of them planted: "
        f"{right / max(number, 1):.2f} of the planted"
    )


def main() -> None:
    """Reads the command line, plants, runs and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--healthy", type=int, default=3130)
    parser.add_argument("--faulty", type=int, default=112)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    simulated = SignalOptions(
        num_healthy=options.healthy, num_faulty=options.faulty, seed=options.seed
    )
    with tempfile.TemporaryDirectory() as folder:
        planted = plant(Path(folder), simulated, options.share)
        report(run(Path(folder)), planted)


if __name__ == "__main__":
    main()
