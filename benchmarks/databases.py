"""Time from PostgreSQL to the Examples beside the time from a CSV file of the same rows.

Starts a PostgreSQL server on loopback in a temporary folder, fills a table with the taxi trips
repeated N times, and reads it and the CSV file, each in a process of its own, in turn. The time is
without imports: for the database the snapshot as Parquet and ArrowExampleGen's executor, for the
file the executor alone. Needs Debian's `postgresql`.

    python -m benchmarks.databases --repeats 20 --runs 3
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
from benchmarks.child import PROJECT, run_module
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.database import PASSWORD_ENV, parse_url
from tests.common.metadata_servers import postgres_server

SOURCES = ("csv", "postgresql")
_TEXTS = {"payment_type", "company"}


def write_trips(folder: Path, repeats: int) -> Path:
    """Writes the taxi trips `repeats` times with an id, and returns the CSV file."""
    data = Path(datasets.materialise("taxi", folder, {})).read_text(encoding="utf-8")
    header, *rows = data.splitlines()
    path = folder / "trips.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(f"id,{header}\n")
        number = 0
        for _ in range(repeats):
            for row in rows:
                file.write(f"{number},{row}\n")
                number += 1
    return path


def fill_table(url: str, trips: Path) -> None:
    """Copies the trips into a table with a primary key."""
    connection = connect(parse_url(url), os.environ, read_only=False)
    with trips.open("rb") as file:
        _, *names = file.readline().decode().strip().split(",")
        types = (f'"{n}" {"text" if n in _TEXTS else "double precision"}' for n in names)
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE trips (id int PRIMARY KEY, {', '.join(types)})")
        cursor.execute("COPY trips FROM STDIN WITH (FORMAT csv)", stream=file)
    connection.commit()
    connection.close()


def measure(source: str, place: str, output: Path) -> dict[str, float]:
    """Reads the trips in this process; returns the seconds of the snapshot and of the steps."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from pipeline.components.arrow_example_gen.component import ArrowExampleGen
    from pipeline.components.arrow_example_gen.executor import Executor
    from pipeline.config_loading import load_config
    from pipeline.reading.files.locations import resolve_source
    from pipeline.reading.sql.extraction.extract import extract_rows
    from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

    config = load_config(PROJECT / "configs" / "taxi.yaml")
    started, cpu_started = time.monotonic(), time.process_time()
    path = place
    if source == "postgresql":
        data = Data(sql=Sql(url=place, table="trips"))
        path = extract_rows(data, folder=output, target=output, environ=os.environ).path
    extracted = time.monotonic()
    found = resolve_source(path, folder=output, data=replace(config.data, dataset=None, path=path))
    component = ArrowExampleGen(config, found, code_digest="code", reports_dir=str(output))
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(output), unique_id="1"
    )
    examples = standard_artifacts.Examples()
    examples.uri = str(output / "examples")
    properties: dict[str, Any] = {**component.exec_properties, "input_base": found.base}
    Executor(context).Do({}, {"examples": [examples]}, properties)
    return {
        "rows": examples.get_int_custom_property("num_rows"),
        "snapshot_s": extracted - started,
        "seconds": time.monotonic() - started,
        "cpu_s": time.process_time() - cpu_started,
    }


def run_apart(source: str, place: str) -> dict[str, float]:
    """Runs `measure` in a new process with an empty output folder."""
    with tempfile.TemporaryDirectory() as output:
        return dict(run_module("benchmarks.databases", "--child", source, place, output))


def compare(repeats: int, runs: int) -> None:
    """Starts the server, fills it and prints each pair and the median ratio."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(prefix="faultline-server-") as place,
        postgres_server(Path(place)) as server,
    ):
        os.environ[PASSWORD_ENV] = server.password
        trips = write_trips(Path(folder), repeats)
        fill_table(server.url(), trips)
        places = {"csv": str(trips), "postgresql": server.url()}
        ratios = []
        for _ in range(runs):
            pair = {source: run_apart(source, places[source]) for source in SOURCES}
            ratios.append(pair["postgresql"]["seconds"] / pair["csv"]["seconds"])
            for source, found in pair.items():
                print(f"{source}: {json.dumps({k: round(v, 2) for k, v in found.items()})}")
            print(f"PostgreSQL takes {ratios[-1]:.2f} times as long", flush=True)
        print(f"median of {runs}: {statistics.median(ratios):.2f}")


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="times 15,002 trips")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        source, place, output = options.child
        print(json.dumps(measure(source, place, Path(output))))
        return
    compare(options.repeats, options.runs)


if __name__ == "__main__":
    main()
