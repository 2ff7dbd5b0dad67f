"""The ErrorAnalyzer component: a leaf of the pipeline that no model waits for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from common.example_files import BLOCK_COLUMN, split_files
from measuring.events.names import telling_columns
from models.features import Media, Signal, features_from_json, media_names, of_kind
from pipeline.components.error_analyzer.analysis import (
    CommonFactor,
    expected_suspects,
    find_clusters,
    scalar_columns,
    worst,
)
from pipeline.components.error_analyzer.causes import find_causes
from pipeline.components.error_analyzer.file_troubles import either_trouble, find_file_troubles
from pipeline.components.error_analyzer.page import NUM_PLOTS, Findings, SignalValues, render_page
from pipeline.components.error_analyzer.pictures import draw_pictures
from pipeline.components.error_analyzer.ranking import losses_in_order, rank_errors, read_and_ask
from pipeline.components.error_analyzer.watching import watch_yaml
from pipeline.components.evaluation.slices import group_ids
from pipeline.components.recording_troubles.finding import (
    find_troubles,
    recorded_features,
    sampling_rates,
    signal_values,
)

ERRORS_FILE, PAGE_FILE = "errors.parquet", "errors.html"


class ErrorAnalysis(Artifact):  # type: ignore[misc]
    """`errors.parquet`, the examples by loss, and `errors.html`, the page."""

    TYPE_NAME = "ErrorAnalysis"


@component
def ErrorAnalyzer(  # noqa: N802, PLR0913, PLR0917 - a noun; TFX wires each channel by name
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    analysis: OutputArtifact[ErrorAnalysis],
    name: Parameter[str],
    label: Parameter[str],
    features: Parameter[str],
    bars: Parameter[str],
    group: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Ranks the examples of `test` by loss; finds shared causes, and where the task is hard.

    Args:
        model: The candidate, blessed or not.
        examples: The examples.
        analysis: Gets the table and the page, and `num_errors`, `num_suspected`,
            `expected_suspected`, `causes`, `hard`.
        name: Name of the use case.
        label: The label column.
        features: The features table as JSON.
        bars: Metric to the gate's bar over the whole test split, as JSON; for the slices that the
            page proposes.
        group: Column whose equal values are not independent examples; empty without one.
        code_digest: Digest of the code that decides the result.
    """
    files, columns = split_files(examples.uri, "test"), features_from_json(features)
    served = Path(path_utils.serving_model_path(model.uri))
    media = media_names(columns)
    table, probability, decision = read_and_ask(files, served, leave_out=media)
    signals = of_kind(columns, Signal)
    of_files = {name: one for name, one in recorded_features(columns).items() if name in media}
    troubles = either_trouble(find_troubles(table, signals), find_file_troubles(files, of_files))
    scalars = scalar_columns(table)
    ranked = rank_errors(scalars, label, probability, decision, troubles)
    errors = worst(*losses_in_order(ranked))
    labels = scalars.column(label).to_numpy().astype(np.int64)
    skip = (label, BLOCK_COLUMN, *telling_columns(scalars.column_names))
    causes = find_causes(
        scalars,
        troubles,
        labels,
        probability,
        skip=(*skip, group),
        dependent=_group_codes(table, group),
    )
    clusters = find_clusters(scalars, troubles, errors, skip=skip)
    num_by_chance = expected_suspects(probability)
    folder = Path(analysis.uri)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(ranked, folder / ERRORS_FILE)
    asked = json.loads(bars)

    def watched(groups: Sequence[CommonFactor]) -> list[tuple[CommonFactor, str]]:
        return [(one, watch_yaml(one, labels, probability, decision, asked)) for one in groups]

    page = render_page(
        name,
        ranked,
        Findings(
            causes=watched(causes),
            hard=watched(clusters),
            num_errors=int(errors.sum()),
            expected_suspected=num_by_chance,
            group="block" if group == BLOCK_COLUMN else group,
        ),
        _worst_signals(table, signals, ranked["row"].to_numpy()[:NUM_PLOTS]),
        pictures=draw_pictures(
            files,
            ranked["row"].to_numpy()[:NUM_PLOTS],
            {name: one for name, one in columns.items() if isinstance(one, Media)},
            served,
        ),
        features=columns,
    )
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    analysis.set_int_custom_property("num_errors", int(errors.sum()))
    analysis.set_int_custom_property(
        "num_suspected", int(ranked["suspected_label"].to_numpy().sum())
    )
    analysis.set_float_custom_property("expected_suspected", num_by_chance)
    for key, groups in (("causes", causes), ("hard", clusters)):
        analysis.set_string_custom_property(key, json.dumps([one.name for one in groups]))


def _group_codes(table: pa.Table, group: str) -> NDArray[np.int64] | None:
    """int64 `[n]`, the number of each row's group; None if rows are independent."""
    if not group:
        return None
    ids = [group_ids(batch, group) for batch in table.select([group]).to_batches()]
    return np.unique(np.concatenate(ids), return_inverse=True)[1]


def _worst_signals(
    table: pa.Table, signals: Mapping[str, Signal], rows: NDArray[np.int64]
) -> dict[str, SignalValues]:
    return {
        column: SignalValues(
            signal_values(table, column, signal.num_samples)[rows],
            sampling_rates(table, signal)[rows],
            signal.unit,
        )
        for column, signal in signals.items()
    }
