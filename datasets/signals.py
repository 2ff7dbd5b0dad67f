"""Simulated quench-heater discharges: the data set of the signals use case, and its command."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datasets.context import Context, draw_context, name_magnets
from datasets.faults import NO_FAULT, NUM_ARCS, apply_faults, draw_kinds
from datasets.options import SignalOptions
from datasets.physics import Circuits, Floats, discharge, scale_resistance
from datasets.troubles import draw_rates, draw_troubles, record
from datasets.writing import SCHEMA, write_spans

# Recordings in a row group, which are simulated at once; bounds memory.
BLOCK_SIZE = 512
PRE_TRIGGER_S = 0.024


def simulate_span(options: SignalOptions, span: int) -> Iterator[pa.RecordBatch]:
    """Simulates the recordings of one span, healthy and faulty mixed, in time order.

    Yields:
        Record batches of `SCHEMA`, of at most 512 rows.
    """
    rng = np.random.default_rng([options.seed, span])
    context = draw_context(rng, options, span)
    drifting = options.num_drifting_spans(span) > 0
    kinds = np.concatenate(
        [
            np.full(options.num_healthy, NO_FAULT),
            draw_kinds(rng, options.num_faulty, changed_mix=options.changed_fault_mix and drifting),
        ]
    )
    kinds = rng.permutation(kinds)
    troubles = draw_troubles(rng, len(kinds))
    for start in range(0, len(kinds), BLOCK_SIZE):
        rows = slice(start, start + BLOCK_SIZE)
        block = Context(
            **{f.name: getattr(context, f.name)[rows] for f in dataclasses.fields(context)}
        )
        ids = [f"{span:03d}-{start + row:07d}" for row in range(len(block.magnet))]
        block_rng = np.random.default_rng([options.seed, span, start])
        yield _simulate_block(block_rng, block, kinds[rows], troubles[rows], ids=ids)


def _simulate_block(
    rng: np.random.Generator,
    context: Context,
    kinds: NDArray[np.str_],
    troubles: NDArray[np.str_],
    *,
    ids: list[str],
) -> pa.RecordBatch:
    rate_hz = draw_rates(rng, troubles)
    circuits = _draw_healthy(rng, context, rate_hz)
    circuits = apply_faults(rng, circuits, kinds, rng.random(len(kinds)))
    voltage, current = discharge(circuits)
    current *= context.current_gain[:, None]
    voltage, current = record(rng, (voltage, current), troubles)
    circuit_names, magnet_names, sectors = name_magnets(context.magnet)
    columns = [
        ids,
        circuit_names,
        magnet_names,
        sectors,
        context.charging_voltage_v,
        context.temperature_k,
        context.timestamp_s,
        context.software_version.tolist(),
        rate_hz,
        _as_lists(voltage),
        _as_lists(current),
        troubles.tolist(),
        kinds.tolist(),
        (kinds != NO_FAULT).astype(np.int64),
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column).cast(field.type, safe=False)
        for column, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _draw_healthy(rng: np.random.Generator, context: Context, rate_hz: Floats) -> Circuits:
    """Healthy circuits: those of the magnets, spread a little by strip, bank and charger."""
    num = len(rate_hz)
    never = np.full(num, np.inf)
    none = np.zeros(num)
    strip_ohm = context.magnet_ohm * rng.normal(1.0, 0.006, num)
    return Circuits(
        initial_voltage_v=context.charging_voltage_v * rng.normal(1.0, 0.003, num),
        strip_ohm=strip_ohm * scale_resistance(context.temperature_k),
        bank_f=context.magnet_f * rng.normal(1.0, 0.006, num),
        internal_ohm=rng.uniform(0.75, 0.85, num),
        trigger_s=PRE_TRIGGER_S + rng.uniform(0.0, 0.003, num),
        rate_hz=rate_hz,
        short_s=never,
        short_duration_s=never,
        short_fraction=none,
        leak_siemens=none,
        arc_s=np.full((num, NUM_ARCS), np.inf),
        arc_duration_s=np.zeros((num, NUM_ARCS)),
        arc_siemens=none,
        stop_s=never,
        contact_s=never,
        contact_duration_s=none,
        contact_ohm=none,
        contact_hz=none,
    )


def _as_lists(values: Floats) -> "pa.Array[Any]":  # generic in the stubs only
    num, num_samples = values.shape
    offsets = np.arange(num + 1, dtype=np.int32) * num_samples
    items = pa.array(values.ravel(), pa.float32())
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=SCHEMA.field("voltage").type)


@click.command(context_settings={"show_default": True})
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to."
)
@click.option("--seed", default=0, help="Seed of every random draw.")
@click.option("--num-healthy", default=3130, help="Healthy recordings in each span.")
@click.option("--num-faulty", default=112, help="Faulty recordings in each span.")
@click.option("--num-spans", default=1, help="Spans to write, numbered from 1.")
@click.option("--drift-from-span", default=0, help="First span with drift; 0 for none.")
@click.option(
    "--temperature-drift-k-per-span", default=10.0, help="Kelvin that each drifting span adds."
)
@click.option(
    "--new-firmware/--no-new-firmware", default=True, help="Drift: another current scaling."
)
@click.option(
    "--changed-fault-mix/--no-changed-fault-mix", default=True, help="Drift: other faults prevail."
)
def main(folder: Path, **options: int | float | bool) -> None:
    """Writes simulated quench-heater discharges to OUT/span-N/recordings.parquet.

    Two channels (voltage in V, current in A; 256 samples at 500 Hz) with context, in Parquet. The
    data are simulated: fit for trying out the pipeline, not for judging a real magnet. Equal
    options give equal bytes, and a span that is there already is left alone.
    """
    try:
        checked = SignalOptions.from_mapping(options)
        written = write_spans(folder, checked, simulate_span)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error}") from error
    per_span = f"{checked.num_healthy} healthy and {checked.num_faulty} faulty a span"
    click.echo(f"{folder}: {checked.num_spans} span(s), {len(written)} written now; {per_span}")


if __name__ == "__main__":
    main()
