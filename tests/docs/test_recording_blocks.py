"""The blocks of YAML on the pages of recordings and streams, loaded as whole configs."""

import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from common.errors import InputError
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.reading.recordings.assembling import Target, assemble
from tests.docs.page_blocks import PROJECT, blocks

PAGES = ("docs/recordings.md", "docs/streams.md")
BLOCKS = [(page, text) for page, text in blocks("yaml") if page in PAGES]
_STREAM = next(text for page, text in BLOCKS if "form: stream" in text)
_FOLDERS = {"form": "files", "label_from": "folder"}
_FEATURES = {"value": {"kind": "signal", "num_samples": 24}}


def parse(text: str) -> dict[str, Any]:
    """Returns a block as values; its indented beginning is an excerpt of `data.recordings`."""
    excerpt = "".join(itertools.takewhile(lambda line: line[0] == " ", text.splitlines(True)))
    values: dict[str, Any] = YAML(typ="safe").load(text[len(excerpt) :] or "{}")
    inner = YAML(typ="safe").load(textwrap.dedent(excerpt))
    return {**values, **({"data": {"recordings": inner}} if inner else {})}


def merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Returns two trees of values as one; the second counts where both have a value."""
    own = {
        key: merged(base[key], value)
        if isinstance(value, dict) and isinstance(base.get(key), dict)
        else value
        for key, value in other.items()
    }
    return {**base, **own}


def load(text: str, folder: Path) -> Config:
    """Loads a block as a part of the config that its page is about."""
    values = parse(text)
    data = values.get("data", {})
    base = parse(_STREAM)
    if "path" in data:
        base = {"label": {"column": "label", "positive": 1}}
        base["data"] = {} if "recordings" in data else {"recordings": _FOLDERS}
    base |= {"name": "page", "features": _FEATURES}
    path = folder / "page.yaml"
    YAML().dump(merged(base, values), path)
    return load_config(path)


@pytest.mark.parametrize(("page", "text"), BLOCKS)
def test_a_block_is_a_part_of_a_config_that_can_be_loaded(page, text, tmp_path):
    loaded = load(text, tmp_path)
    assert loaded.data.recordings is not None


def test_a_block_that_contradicts_itself_is_noticed(tmp_path):
    with pytest.raises(InputError, match="num_samples"):
        load("    window: {length_s: 3}\n", tmp_path)


def block_of(page: str, begins: str) -> str:
    """Returns the text of a block without a language."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    return text[text.index(begins) :].partition("```")[0]


def assembled(config: Config, folder: Path) -> list[dict[str, Any]]:
    result = assemble(
        config.data.path or "",
        config.data,
        label=config.label,
        folder=folder,
        target=Target(folder=folder / "output"),
    )
    return [row for file in result.files for row in pq.read_table(file).to_pylist()]


def test_the_file_of_the_streams_page_is_read_by_its_config(tmp_path):
    block = block_of("docs/streams.md", "timestamp,value,label").rstrip()
    assert block.endswith("2014-02-14 14:40:00,8.251,1")
    # With its three samples, 24: the event of one sample is in the window as a whole.
    more = [f"2014-02-14 {15 + n // 12}:{5 * (n % 12):02}:00,0.1,0" for n in range(-3, 18)]
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/a.csv").write_text("\n".join([block, *more, ""]))
    [window] = assembled(load(_STREAM, tmp_path), tmp_path)
    assert (window["label"], round(window["value"][2], 3)) == ("1", 8.251)
    assert len(window["value"]) == 24


def test_the_file_of_an_oscilloscope_on_the_page_is_read_by_its_configs(tmp_path):
    block = block_of("docs/recordings.md", "Model,MSO4")
    samples = "".join(f"{n * 4e-3:.3f},{n % 5}.5\n" for n in range(1, 40))
    (tmp_path / "scope/ok").mkdir(parents=True)
    (tmp_path / "scope/ok/a.csv").write_text(block.rstrip() + "\n" + samples)
    [units] = [text for _, text in BLOCKS if "units_row" in text]
    [row] = assembled(load(units, tmp_path), tmp_path)
    assert len(row["CH1"]) == 40
    lines = [line for line in block.splitlines() if line != "s,V"]  # without a row of units
    (tmp_path / "scope/ok/a.csv").write_text("\n".join([*lines, samples]))
    [rate] = [text for _, text in BLOCKS if "header_rate" in text]
    [row] = assembled(load(rate, tmp_path), tmp_path)
    assert row["sampling_rate_hz"] == 250.0
