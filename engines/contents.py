"""Contents of the artifacts of two runs and their differences, regardless of order and shards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common.example_files import read_serialised
from engines.use_case_runs import UseCaseRun

# The order of a sum changes the last digits of a float64; a larger difference is a different
# result.
TOLERANCE = 1e-6

Difference = str


def find_differences(left: UseCaseRun, right: UseCaseRun) -> dict[str, list[Difference]]:
    """Compares the artifacts that two runs made from the same data.

    Args:
        left: The run to compare with.
        right: The other run, with at least the same artifacts.

    Returns:
        The differences for each kind of content of `left`; none where it is equal.
    """
    examples = left.uris["examples"]
    found = {"splits": compare_splits(examples, right.uris["examples"])}
    if "statistics" in left.uris:
        found["statistics"] = compare_statistics(left.uris["statistics"], right.uris["statistics"])
    if "transform_graph" in left.uris:
        graphs = left.uris["transform_graph"], right.uris["transform_graph"]
        found["vocabularies"] = compare_vocabularies(*graphs)
        found["transformed values"] = compare_transformed(*graphs, examples)
    if "evaluation" in left.uris:
        found["metrics"] = compare_metrics(left.uris["evaluation"], right.uris["evaluation"])
    return found


def compare_splits(left: str, right: str) -> list[Difference]:
    """Returns the splits whose rows differ between two Examples artifacts."""
    rows = _rows_by_split(left), _rows_by_split(right)
    names = sorted(set(rows[0]) | set(rows[1]))
    return [name for name in names if rows[0].get(name) != rows[1].get(name)]


def _rows_by_split(uri: str) -> dict[str, list[bytes]]:
    return {
        folder.name: sorted(_canonical(record) for record in _records(folder))
        for folder in sorted(Path(uri).glob("Split-*"))
    }


def _canonical(record: bytes) -> bytes:
    """The example with its features in a fixed order: the encoder's order varies."""
    import tensorflow as tf

    example = tf.train.Example.FromString(record)
    return bytes(example.SerializeToString(deterministic=True))


def _records(folder: Path) -> list[bytes]:
    batches = read_serialised(*map(str, sorted(folder.iterdir())))
    return [record for batch in batches for record in batch]


def compare_statistics(left: str, right: str) -> list[Difference]:
    """Returns the figures that differ between two ExampleStatistics artifacts."""
    files = {file.relative_to(left) for file in Path(left).glob("Split-*/*.pb")}
    others = {file.relative_to(right) for file in Path(right).glob("Split-*/*.pb")}
    return [str(file) for file in sorted(files ^ others)] + [
        f"{file}: {difference}"
        for file in sorted(files & others)
        for difference in _compare_values(_statistics(left / file), _statistics(right / file), "")
    ]


def _statistics(file: Path) -> dict[str, Any]:
    """The statistics as nested values, with columns by name."""
    from google.protobuf import json_format
    from tensorflow_metadata.proto.v0 import statistics_pb2

    dataset = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    found: dict[str, Any] = json_format.MessageToDict(dataset)
    for each in found["datasets"]:
        each["features"] = {"/".join(f["path"]["step"]): f for f in each["features"]}
    return found


def _compare_values(left: Any, right: Any, place: str) -> list[Difference]:
    """Compares nested values: numbers within `TOLERANCE`, everything else exactly."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = sorted(set(left) | set(right))
        pairs = [(f"{place}/{key}", left.get(key), right.get(key)) for key in keys]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = [(f"{place}/{i}", a, b) for i, (a, b) in enumerate(zip(left, right, strict=True))]
    elif isinstance(left, float) and isinstance(right, float):
        close = np.isclose(left, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        return [] if close else [f"{place}: {left} and {right}"]
    else:
        return [] if left == right else [f"{place}: {left} and {right}"]
    return [difference for name, a, b in pairs for difference in _compare_values(a, b, name)]


def compare_vocabularies(left: str, right: str) -> list[Difference]:
    """Returns the vocabularies that differ between two TransformGraph artifacts."""
    texts = _vocabularies(left), _vocabularies(right)
    names = sorted(set(texts[0]) | set(texts[1]))
    return [name for name in names if texts[0].get(name) != texts[1].get(name)]


def _vocabularies(uri: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(uri).glob("transform_fn/assets/*")}


def compare_transformed(left: str, right: str, examples: str) -> list[Difference]:
    """Returns the features for which two transform graphs give other values on the same examples.

    Args:
        left: URI of a TransformGraph artifact.
        right: URI of the other.
        examples: URI of the Examples artifact.
    """
    records = [
        record for folder in sorted(Path(examples).glob("Split-*")) for record in _records(folder)
    ]
    values = _transform(left, records), _transform(right, records)
    different = sorted(set(values[0]) ^ set(values[1]))
    for name in sorted(set(values[0]) & set(values[1])):
        one, other = values[0][name], values[1][name]
        if not np.array_equal(np.isnan(one), np.isnan(other)):
            different.append(f"{name}: other values are undefined")
        elif not np.allclose(one, other, rtol=0, atol=TOLERANCE, equal_nan=True):
            different.append(f"{name}: by up to {np.nanmax(np.abs(one - other)):.2g}")
    return different


def _transform(uri: str, records: list[bytes]) -> dict[str, Any]:
    from models.inputs.transform_graph import transform_examples

    return {name: value.numpy() for name, value in transform_examples(uri, records).items()}


def compare_metrics(left: str, right: str) -> list[Difference]:
    """Returns the metrics that differ between two ModelEvaluation artifacts, in any slice."""
    from pipeline.components.evaluation.results import read_evaluation

    parts = [read_evaluation(uri) for uri in (left, right)]
    both = [
        {"overall": dict(part.overall)}
        | {str(key): dict(value) for key, value in part.slices.items()}
        for part in parts
    ]
    return _compare_values(both[0], both[1], "")
