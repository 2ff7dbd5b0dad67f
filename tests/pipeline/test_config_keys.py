"""Every key that a YAML may have is told in its block's docstring, and survives as JSON."""

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pipeline.config import Config
from pipeline.config_loading import config_to_json, load_config

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


def _blocks(kind: object) -> Iterator[type]:
    """The dataclasses in a type, however deep."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield kind
        for inner in typing.get_type_hints(kind).values():
            yield from _blocks(inner)
    for part in typing.get_args(kind):
        yield from _blocks(part)


BLOCKS = sorted(set(_blocks(Config)), key=lambda block: block.__name__)


def test_all_blocks_are_found():
    names = {block.__name__ for block in BLOCKS}
    assert {"Config", "Data", "Signal", "TrainOptions", "Tuning", "Dimension"} <= names
    assert {"Tracking", "MlflowTracking", "Gate", "Metadata", "WideSignal"} <= names


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_key_is_told_in_the_docstring_and_no_other(block):
    attributes = (block.__doc__ or "").partition("Attributes:\n")[2]
    told = re.findall(r"^        (\w+): ", attributes, flags=re.MULTILINE)
    # `kind` tells the features apart; the table of kinds tells what each is.
    keys = [field.name for field in dataclasses.fields(block) if field.name != "kind"]
    assert told == keys


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_that_come_with_the_project_survive_as_json(path):
    config = load_config(path)
    read = TypeAdapter(Config).validate_json(config_to_json(config))
    assert dataclasses.replace(read, folder=config.folder) == config
