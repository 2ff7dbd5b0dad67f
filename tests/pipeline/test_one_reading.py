"""init, run and predict read equal values: generated tables whose truth is known.

`init` proposes a config; what ingestion and prediction then read must be the truth, or the command
must have refused. The same holds for a later file that is written in another style.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.components.arrow_example_gen.steps import merge_profiles, profile_piece
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.onboarding import ReadOptions, initialise
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files import bad_rows, input_files
from pipeline.prediction.files.reading import ReadPlan, read_rows
from pipeline.prediction.model_columns import decide_columns as columns_of_model
from pipeline.reading.columns import check_names, decide_columns
from pipeline.reading.files import listing, sources
from pipeline.reading.files.pieces import BadRow
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.reading.typing_rows import type_batch
from serving.client import TensorSpec
from serving.client.rows import encode_rows
from tests.pipeline.tables import (
    WORD_MARKS,
    Style,
    differences,
    make_style,
    make_truth,
    vary_style,
    write_table,
)

pytestmark = pytest.mark.e2e  # minutes

NUM_TABLES, NUM_PAIRS = 200, 100
NUM_BLOCKS = 10


def propose(style: Style, data: Path, folder: Path) -> Config:
    """The config that `init` writes."""
    initialise(
        str(data),
        label="failed",
        positive=None,
        name="t",
        project_dir=folder,
        force=True,
        reading=ReadOptions(header=style.header),
    )
    return load_config(folder / "configs" / "t.yaml")


def examples_of(config: Config, data: Path) -> pa.Table:
    """What ingestion reads, before it assigns rows to splits."""
    spec = make_ingest_spec(config)
    files = listing.list_files(str(data))
    pieces = sources.plan_pieces(files, sources.common_format(files), layout=spec.layout)
    profile = merge_profiles([profile_piece(piece, spec) for piece in pieces])
    check_names(list(profile.kinds), spec, where=str(data))
    columns = decide_columns(profile, spec)
    batches = []
    bad: list[BadRow] = []
    for piece in pieces:
        for raw in sources.read_piece(piece):
            typed = type_batch(raw, columns, spec, path=piece.path)
            batches.append(typed.batch)
            bad += [*raw.bad_rows, *typed.bad_rows]
    bad_rows.check_bad_rows(bad, max_bad_rows=spec.max_bad_rows, layout=spec.layout)
    return pa.Table.from_batches(batches)


def asked_of(config: Config, data: Path, kinds: pa.Schema) -> dict[str, np.ndarray]:
    """What `predict` sends to a model that was trained on examples of these types."""
    spec = reading_spec(config, None)
    pieces = input_files.plan_pieces(input_files.find_input_files(str(data)), spec.layout)
    inputs = {
        name: TensorSpec(name=name, dtype=dtype_of(kinds.field(name).type), shape=(-1,))
        for name in config.features
    }
    plan = ReadPlan(columns=columns_of_model(inputs, pieces, spec), spec=spec)
    read = [rows for piece in pieces for rows in read_rows(piece, plan)]
    bad = [row for rows in read for row in rows.bad_rows]
    bad_rows.check_bad_rows(bad, max_bad_rows=spec.max_bad_rows, layout=spec.layout)
    parts = [encode_rows(rows.features, inputs) for rows in read]
    return {name: np.concatenate([part[name] for part in parts]) for name in inputs}


def dtype_of(kind: pa.DataType) -> np.dtype[Any]:
    if pa.types.is_floating(kind):
        return np.dtype("float32")
    return np.dtype("int64") if pa.types.is_integer(kind) else np.dtype("object")


def outcome(seed: int, folder: Path) -> str:
    """`equal`, `refused`, or what differs."""
    rng = np.random.default_rng(seed)
    style, truth = make_style(rng), make_truth(rng)
    data = write_table(truth, style, folder)
    try:
        config = propose(style, data, folder)
        examples = examples_of(config, data)
        asked = asked_of(config, data, examples.schema)
    except InputError as error:
        return f"refused: {error} {style}"
    problems = list(differences(truth, style, examples, asked))
    return "; ".join([*problems, str(style)]) if problems else "equal"


def blocks(number: int) -> list[range]:
    size = number // NUM_BLOCKS
    return [range(start, start + size) for start in range(0, number, size)]


@pytest.mark.parametrize("seeds", blocks(NUM_TABLES), ids=str)
def test_examples_and_requests_are_the_truth_or_the_command_refused(seeds, tmp_path):
    outcomes = {seed: outcome(seed, tmp_path / str(seed)) for seed in seeds}
    wrong = {s: o for s, o in outcomes.items() if o != "equal" and not o.startswith("refused")}
    assert wrong == {}
    refused = [o for o in outcomes.values() if o.startswith("refused")]
    assert len(refused) <= len(seeds) // 10, refused


def later_outcomes(seed: int, folder: Path) -> Iterator[str]:
    """What comes of a file in another style: from a run, and from a prediction."""
    rng = np.random.default_rng(10_000 + seed)
    first = make_style(rng, marks=WORD_MARKS)
    later = vary_style(first, rng, marks=WORD_MARKS)
    truth, other_truth = make_truth(rng), make_truth(rng)
    try:
        data = write_table(truth, first, folder / "first")
        config = propose(first, data, folder)
        kinds = examples_of(config, data).schema
    except InputError:
        return  # the test above counts these
    data = write_table(other_truth, later, folder / "later")
    for read in ("run", "predict"):
        try:
            examples = examples_of(config, data) if read == "run" else None
            asked = asked_of(config, data, kinds) if read == "predict" else {}
        except InputError:
            yield "refused"
            continue
        problems = list(differences(other_truth, later, examples, asked))
        yield "; ".join([read, *problems, str(first), str(later)]) if problems else "equal"


@pytest.mark.parametrize("seeds", blocks(NUM_PAIRS), ids=str)
def test_a_later_file_in_another_style_is_the_truth_or_refused(seeds, tmp_path):
    outcomes = [one for seed in seeds for one in later_outcomes(seed, tmp_path / str(seed))]
    assert [one for one in outcomes if one not in ("equal", "refused")] == []


def test_later_files_are_not_all_refused(tmp_path):
    outcomes = [one for seed in range(20) for one in later_outcomes(seed, tmp_path / str(seed))]
    assert outcomes.count("equal") >= 4, outcomes
