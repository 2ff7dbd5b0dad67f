"""Checks, before anything runs, that the config and the curated schema agree on every column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import InputError
from models.features import (
    Audio,
    Bucketized,
    Categorical,
    Crossed,
    Feature,
    HeavyTailed,
    Image,
    Media,
    Numeric,
    Signal,
    Time,
)
from pipeline.column_format import ValueType
from pipeline.config import Config
from pipeline.config_loading import line_of
from pipeline.reading.ingest_spec import schema_types

_INT, _FLOAT, _BYTES = schema_pb2.INT, schema_pb2.FLOAT, schema_pb2.BYTES
_TYPES_OF_KINDS: dict[type, tuple[int, ...]] = {
    Numeric: (_FLOAT, _INT),
    HeavyTailed: (_FLOAT, _INT),
    Bucketized: (_FLOAT, _INT),
    Categorical: (_BYTES, _INT, _FLOAT),
    Time: (_INT,),
    Signal: (_FLOAT, _INT),
    Audio: (_BYTES,),
    Image: (_BYTES,),
}
_FORMATS_OF_KINDS: dict[type, tuple[ValueType, ...]] = {
    Numeric: ("number", "code"),
    HeavyTailed: ("number", "code"),
    Bucketized: ("number", "code"),
    Categorical: ("text", "code", "truth", "number"),
    Time: ("time",),
    Signal: ("number",),
}
_TYPES_OF_FORMATS: dict[ValueType, int] = {
    "number": _FLOAT,
    "code": _INT,
    "text": _BYTES,
    "truth": _BYTES,
    "time": _INT,
}


def check_agreement(config: Config, config_path: Path) -> None:
    """Checks kinds of features, formats of columns, and types and shapes of the schema.

    Args:
        config: The use case.
        config_path: Its YAML, for line numbers.

    Raises:
        InputError: Names every disagreement with both lines.
    """
    schema = _read_schema(config)
    places = _Places(config_path=config_path, schema_path=config.schema_path)
    problems = list(_format_problems(config, places))
    if schema is not None:
        problems += _schema_problems(config, schema, places)
    if problems:
        raise InputError("\n".join(problems))


def _read_schema(config: Config) -> schema_pb2.Schema | None:
    path = config.schema_path
    if path is None:
        return None
    schema_types(path)  # refuses a file that is no schema
    return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())


@dataclass(frozen=True, kw_only=True)
class _Places:
    config_path: Path
    schema_path: Path | None

    def yaml(self, *keys: str) -> str:
        return f"{self.config_path}, line {line_of(self.config_path, keys)}: {'.'.join(keys)}"

    def entry(self, name: str) -> str:
        """Returns the place of a column's name in the schema."""
        assert self.schema_path is not None  # noqa: S101 - narrows the type
        text = self.schema_path.read_text(encoding="utf-8")
        match = re.search(rf'name:\s*["\']{re.escape(_escaped(name))}["\']', text)
        line = f", line {text[: match.start()].count(chr(10)) + 1}" if match else ""
        return f"{self.schema_path}{line}: `{name}`"


def _escaped(name: str) -> str:
    """Returns a name as it is between quotes in a schema in text form."""
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _format_problems(config: Config, places: _Places) -> Iterator[str]:
    """Compares `data.columns` with the kinds of the features."""
    for name, form in config.data.columns.items():
        feature = config.features.get(name)
        if feature is None or isinstance(feature, Crossed):
            continue
        if isinstance(feature, Media):
            yield (
                f"{places.yaml('features', name)} is {feature.kind}, the bytes of files, which no "
                f"format describes; remove {places.yaml('data', 'columns', name)}."
            )
            continue
        expected = _FORMATS_OF_KINDS[type(feature)]
        if form.type not in expected:
            yield (
                f"{places.yaml('features', name)} is {feature.kind}; "
                f"{places.yaml('data', 'columns', name)} is `{form.type}`. Make it "
                f"{_either(expected)}, or change the feature's kind."
            )


def _schema_problems(config: Config, schema: schema_pb2.Schema, places: _Places) -> Iterator[str]:
    entries = {entry.name: entry for entry in schema.feature}
    label = config.label.column
    if label in entries and entries[label].type != _INT:
        yield (
            f"{places.yaml('label', 'column')} is `{label}`, which becomes 0 and 1; "
            f"{places.entry(label)} is {_word(entries[label].type)}. Make it INT."
        )
    for name, form in config.data.columns.items():
        expected = _TYPES_OF_FORMATS[form.type]
        if name in entries and name != label and entries[name].type != expected:
            yield (
                f"{places.yaml('data', 'columns', name)} is `{form.type}`; {places.entry(name)} is "
                f"{_word(entries[name].type)}. Make it {_word(expected)}, or change the format."
            )
    for name, feature in config.features.items():
        if isinstance(feature, Crossed):
            continue
        if name not in entries:
            yield (
                f"{places.yaml('features', name)}: {places.schema_path} has no column of that "
                "name. Add it, or remove the feature."
            )
        else:
            yield from _feature_problems(name, feature, entries[name], places)


def _feature_problems(
    name: str, feature: Feature, entry: schema_pb2.Feature, places: _Places
) -> Iterator[str]:
    expected = _TYPES_OF_KINDS[type(feature)]
    if entry.type not in expected:
        yield (
            f"{places.yaml('features', name)} is {feature.kind}; {places.entry(name)} is "
            f"{_word(entry.type)}. Make it {_either([_word(kind) for kind in expected])}, or "
            "change the feature's kind."
        )
    if isinstance(feature, Signal) and feature.lengths is not None:
        return  # recordings of unequal length have no shape
    sizes = [dim.size for dim in entry.shape.dim]
    num_values = feature.num_samples if isinstance(feature, Signal) else 1
    if entry.HasField("shape") and sizes not in ([num_values], [] if num_values == 1 else None):
        yield (
            f"{places.yaml('features', name)} has {num_values:,} "
            f"{'value' if num_values == 1 else 'values'} a row; {places.entry(name)} has the "
            f"shape {'x'.join(map(str, sizes)) or 'of one value'}. Make them agree."
        )


def _word(kind: int) -> str:
    return str(schema_pb2.FeatureType.Name(kind))


def _either(words: list[str] | tuple[str, ...]) -> str:
    return " or ".join(words)
