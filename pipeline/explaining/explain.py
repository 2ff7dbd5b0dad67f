"""`faultline explain`: one example of the test split, and the model on the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table

from common.errors import InputError
from pipeline.comparing.comparison import find_run
from pipeline.comparing.pairing import CannotPairError, find_pair
from pipeline.explaining.importance import Importance
from pipeline.lineage.graph import Graph

REPEATS = 10


@dataclass(frozen=True)
class TestSplit:
    """The test examples of a run.

    Attributes:
        columns: As clients send them, `[n]` or `[n, samples]` each.
        labels: `[n]` of 0 and 1.
        others: Texts of the columns that the model does not see, by column, `[n]`.
    """

    __test__ = False  # no test, whatever pytest thinks of its name

    columns: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64]
    others: Mapping[str, list[str]]


@dataclass(frozen=True)
class Explanation:
    """Why a model answered so for a row.

    Attributes:
        run: The run's id.
        use_case: Its use case.
        row: The row of the test split.
        label: Its label.
        probability: The model's answer.
        baseline_probability: Its answer for the mean of the split.
        gap: What the parts leave of the difference of the two.
        parts: By numeric column, the part of each number.
        values: By column, the example's values.
        importances: What the columns are worth to the model.
    """

    run: str
    use_case: str
    row: int
    label: int
    probability: float
    baseline_probability: float
    gap: float
    parts: dict[str, list[float]]
    values: dict[str, Any]
    importances: list[Importance]

    def to_json(self) -> dict[str, Any]:
        """Returns the explanation as JSON values."""
        return asdict(self)


def explain(graph: Graph, reference: str, row: int | None, where: str | None) -> Explanation:
    """Returns why a run's model answered so for a row.

    Args:
        graph: What ML Metadata holds.
        reference: A run's id, or `latest`.
        row: The row of the test split from 0, as ErrorAnalyzer's list has it.
        where: `COLUMN=VALUE` of one row, instead of its number.

    Raises:
        InputError: There is no such run, model or row.
    """
    from models.exporting.export import SERVING_DEFAULT, read_signatures
    from pipeline.explaining.attribution import (
        as_tensors,
        integrated_gradients,
        load_probability,
        mean_baseline,
    )
    from pipeline.explaining.importance import permutation_importance

    run = find_run(graph, reference)
    try:
        pair = find_pair(graph, run, run)
    except CannotPairError as error:
        raise InputError(f"Run {run.id} cannot be explained: {error}.") from error
    inputs = read_signatures(pair.second)[SERVING_DEFAULT].inputs
    split = read_split(pair.files, inputs, pair.label)
    row = find_row(split, row, where)
    probability = load_probability(pair.second)
    example = {name: values[row : row + 1] for name, values in split.columns.items()}
    found = integrated_gradients(probability, example, mean_baseline(split.columns))
    return Explanation(
        run=run.id,
        use_case=run.use_case,
        row=row,
        label=int(split.labels[row]),
        probability=found.probability,
        baseline_probability=found.baseline_probability,
        gap=found.gap,
        parts={name: np.atleast_1d(part).tolist() for name, part in found.parts.items()},
        values={name: _plain(values[0]) for name, values in example.items()},
        importances=permutation_importance(
            lambda columns: probability(as_tensors(columns)).numpy().astype(float),
            split.columns,
            split.labels,
            repeats=REPEATS,
        ),
    )


def read_split(files: Sequence[Path], inputs: Mapping[str, Any], label: str) -> TestSplit:
    """Reads the test examples as clients would send them.

    Args:
        files: Gzip TFRecords of tf.Examples, in order.
        inputs: The inputs of `serving_default`.
        label: The label column.
    """
    import tensorflow as tf

    from models.inputs.raw_columns import columns_from_examples

    names = [str(file) for file in files]
    records = list(tf.data.TFRecordDataset(names, compression_type="GZIP").as_numpy_iterator())
    features = [tf.train.Example.FromString(record).features.feature for record in records]
    unseen = sorted({name for each in features for name in each} - set(inputs) - {label})
    return TestSplit(
        # A signature's inputs have another order in every process.
        columns=dict(sorted(columns_from_examples(records, inputs).items())),
        labels=np.array([each[label].int64_list.value[0] for each in features]),
        others={name: [_text(each[name]) for each in features] for name in unseen},
    )


def _text(feature: Any) -> str:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return _shown(values[0]) if len(values) == 1 else ""


def find_row(split: TestSplit, row: int | None, where: str | None) -> int:
    """Returns the row that is meant.

    Raises:
        InputError: There is none, or `where` fits several.
    """
    size = len(split.labels)
    if where is None:
        if row is None or not 0 <= row < size:
            raise InputError(f"There is no row {row} in the test split; it has 0 to {size - 1}.")
        return row
    column, equals, value = where.partition("=")
    texts = dict(split.others) | {
        name: [_shown(each) for each in values.tolist()]
        for name, values in split.columns.items()
        if values.ndim == 1
    }
    if not equals or column not in texts:
        known = ", ".join(sorted(texts))
        raise InputError(
            f"--where takes COLUMN=VALUE with one of the columns {known}; got {where}."
        )
    rows = [number for number, text in enumerate(texts[column]) if text == value]
    if len(rows) != 1:
        such = ", such as " + ", ".join(texts[column][:3])
        raise InputError(
            f"{len(rows)} rows of the test split have {where}; exactly one is needed"
            f"{'' if rows else such}."
        )
    return rows[0]


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _shown(value)
    numbers = np.asarray(value, float)
    clean = [float(number) if np.isfinite(number) else None for number in numbers.reshape(-1)]
    return clean if numbers.ndim else clean[0]


def render_explanation(found: Explanation) -> RenderableType:
    """Returns the tables for the terminal."""
    parts = Table(title=f"row {found.row} of test, label {found.label}", title_justify="left")
    for header in ("column", "part", "value"):
        parts.add_column(header, justify="left" if header == "column" else "right")
    for column, part, value in _part_rows(found):
        parts.add_row(column, f"{part:+.4f}", value)
    worth = Table(title="worth to the model, PR-AUC", title_justify="left")
    for header in ("column", "mean", "least", "greatest"):
        worth.add_column(header, justify="left" if header == "column" else "right")
    for each in found.importances:
        worth.add_row(each.column, *(f"{v:.4f}" for v in (each.mean, each.low, each.high)))
    line = (
        f"probability {found.probability:.4f}; for the mean of test "
        f"{found.baseline_probability:.4f}; the parts leave {found.gap:+.4f}"
    )
    return Group(parts, line, worth)


def _part_rows(found: Explanation) -> list[tuple[str, float, str]]:
    rows = []
    for column, part in found.parts.items():
        value = found.values[column]
        text = f"{len(value)} samples" if isinstance(value, list) else _number(value)
        rows.append((column, float(sum(part)), text))
    return sorted(rows, key=lambda each: -abs(each[1]))


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"


def write_page(found: Explanation, folder: Path) -> Path:
    """Writes the page and returns its path.

    Args:
        found: What `explain` returned.
        folder: Where reports go.
    """
    from plotly.offline import get_plotlyjs

    text = (resources.files("pipeline.explaining") / "templates" / "explain.html.j2").read_text(
        encoding="utf-8"
    )
    signals = [
        {"name": column, "values": found.values[column], "parts": part}
        for column, part in found.parts.items()
        if isinstance(found.values[column], list)
    ]
    html = (
        Environment(autoescape=True, undefined=StrictUndefined)
        .from_string(text)
        .render(
            name=found.use_case,
            run=found.run,
            row=found.row,
            label=found.label,
            probability=found.probability,
            baseline=found.baseline_probability,
            gap=found.gap,
            parts=_part_rows(found),
            signals=signals,
            importances=found.importances,
            repeats=REPEATS,
            plotly_js=get_plotlyjs() if signals else "",
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"explain-{found.use_case}-{found.row}.html"
    path.write_text(html, encoding="utf-8")
    return path
