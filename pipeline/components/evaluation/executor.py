"""The Beam pipeline that evaluates models: batched inference, one combination, one writer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import json_utils, path_utils, proto_utils

from common.errors import InputError
from common.example_files import read_batches, read_examples, read_serialised, split_files
from measuring.answers import Answers, make_answers, merge_answers
from models.exporting.export import Signature, load_in_session
from models.timelines import timeline_of
from pipeline.components.beam_progress import ReportingExecutor, count_rows
from pipeline.components.evaluation.eval_config import (
    ANCHOR,
    BASELINE,
    DECISION,
    PROBABILITY,
    SIGNATURE,
)
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.out_of_fold import (
    answers_out_of_fold,
    predictions_file,
    write_procedure,
)
from pipeline.components.evaluation.results import check_slices, read_evaluation
from pipeline.components.evaluation.slices import SliceKey, SliceOptions, group_ids, rows_of_slices
from pipeline.components.evaluation.tfma_files import write_config, write_metrics
from pipeline.components.names import EVALUATED_IN
from pipeline.components.recording_troubles.finding import (
    Levels,
    Recorded,
    UsualLevels,
    find_troubles,
    measure_levels,
    recorded_features,
    usual_levels,
)

OPTIONS_KEY, SLICES_KEY, ANCHOR_MODEL_KEY = "measure_options", "slices", "anchor_model"
MODEL_RUN_KEY = "model_run"


class Executor(ReportingExecutor, base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Measures the candidate, and where there are any baseline and anchor, on the same examples."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the evaluation in TFMA's format.

        Args:
            input_dict: `examples`, `model` and, if there are any, `baseline_model`,
                `anchor_model` and `model_run`, with the candidate's predictions out of fold.
            output_dict: `evaluation`.
            exec_properties: `eval_config`, `example_splits`, and as JSON `measure_options`
                (`MeasureOptions`) and `slices` (`SliceOptions`).

        Raises:
            InputError: A row has several values in a slice's column, or a slice's column has none.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.EXAMPLES_KEY]
        )
        folder = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        config = _eval_config(input_dict, exec_properties)
        models = {spec.name: _model_path(input_dict, spec) for spec in config.model_specs}
        slices = SliceOptions.from_json(exec_properties[SLICES_KEY])
        splits = json_utils.loads(exec_properties[standard_component_specs.EXAMPLE_SPLITS_KEY])
        files = [file for split in splits for file in split_files(examples.uri, split)]
        options = MeasureOptions.from_json(exec_properties[OPTIONS_KEY])
        label = config.model_specs[0].label_keys[PROBABILITY]
        score = ScoreFn(models, label, slices, options.group)
        crossed = _crossed(input_dict, label, slices, options)
        with self._make_beam_pipeline() as pipeline:
            # The elements are paths: a row as an element costs more than its prediction.
            paths = pipeline | "Files" >> beam.Create(files)
            _ = (
                paths
                | "Score" >> beam.ParDo(score, *_usual(paths, recorded_features(slices.recorded)))
                | "Combine" >> beam.CombinePerKey(MergeAnswersFn())
                | "Together" >> beam.combiners.ToList()
                | "Write" >> beam.Map(_write, folder, options, config, crossed)
            )
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EVALUATION_KEY]
        )
        run_id = (self._context and self._context.pipeline_run_id) or ""
        artifact.set_string_custom_property(EVALUATED_IN, run_id)
        write_config(folder, config, examples=examples.uri, models=models)
        check_slices(read_evaluation(folder), slices.slices, _columns(files))


def _eval_config(
    input_dict: Mapping[str, list[Artifact]], exec_properties: Mapping[str, Any]
) -> config_pb2.EvalConfig:
    """The configuration; as in TFMA, without a baseline model if there is none.

    The anchor has the baseline's form, but TFMA allows one baseline.
    """
    config = proto_utils.json_to_proto(
        exec_properties[standard_component_specs.EVAL_CONFIG_KEY], config_pb2.EvalConfig()
    )
    has_baseline = bool(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY))
    config = tfma.utils.update_eval_config_with_defaults(
        config, has_baseline=has_baseline, rubber_stamp=True
    )
    if _has_anchor(input_dict):
        [baseline] = [spec for spec in config.model_specs if spec.is_baseline]
        anchor = config.model_specs.add()
        anchor.CopyFrom(baseline)
        anchor.name, anchor.is_baseline = ANCHOR, False
    return config


def _has_anchor(input_dict: Mapping[str, list[Artifact]]) -> bool:
    """Whether there is an anchor besides the baseline."""
    baseline, anchor = (
        [artifact.uri for artifact in input_dict.get(key, [])]
        for key in (standard_component_specs.BASELINE_MODEL_KEY, ANCHOR_MODEL_KEY)
    )
    return bool(anchor) and bool(baseline) and anchor != baseline


def _model_path(input_dict: Mapping[str, list[Artifact]], spec: config_pb2.ModelSpec) -> str:
    keys = {
        BASELINE: standard_component_specs.BASELINE_MODEL_KEY,
        ANCHOR: ANCHOR_MODEL_KEY,
    }
    key = keys.get(spec.name, standard_component_specs.MODEL_KEY)
    return str(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[key])))


def _usual(paths: Any, recorded: Mapping[str, Recorded]) -> list[Any]:
    """Usual values of the recordings of all files, as a side input; nothing without recordings."""
    if not recorded:
        return []
    return [
        beam.pvalue.AsSingleton(
            paths
            | "Levels" >> beam.Map(_file_levels, dict(recorded))
            | "All levels" >> beam.combiners.ToList()
            | "Usual" >> beam.Map(usual_levels, dict(recorded))
        )
    ]


def _file_levels(file: str, recorded: Mapping[str, Recorded]) -> Levels:
    parts = [
        measure_levels(pa.Table.from_batches([batch]), recorded) for batch in read_batches(file)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in recorded}


def _columns(files: Iterable[str]) -> list[str]:
    """The columns of the first example."""
    import tensorflow as tf

    [first] = next(read_serialised(*files, batch_rows=1))
    return list(tf.train.Example.FromString(first).features.feature)


class ScoreFn(beam.DoFn):  # type: ignore[misc]
    """Maps a file of examples to the models' answers in each slice.

    The models run as in TensorFlow Serving: in a Session, by signature.
    """

    def __init__(
        self,
        models: Mapping[str, str],
        label: str,
        slices: SliceOptions,
        group: str | None,
    ) -> None:
        self._models = dict(models)
        self._label = label
        self._group = group
        self._slices = slices
        self._recorded = recorded_features(slices.recorded)
        self._signatures: dict[str, Signature] = {}

    def setup(self) -> None:
        """Loads the models, once a worker."""
        self._signatures = {
            name: load_in_session(Path(path), SIGNATURE) for name, path in self._models.items()
        }

    def process(
        self, file: str, usual: UsualLevels | None = None
    ) -> Iterator[tuple[SliceKey, Answers]]:
        """Yields each slice with the answers to its examples of a batch.

        Args:
            file: The file.
            usual: Usual values of each feature; needed if a slice asks for a trouble.
        """
        for serialised, batch in read_examples(file, with_block=True):
            count_rows(batch.num_rows, batch.nbytes)
            labels = np.asarray(batch.column(self._label).flatten())
            outputs = {
                name: self._answer(name, ask, serialised) for name, ask in self._signatures.items()
            }
            answers = make_answers(
                labels,
                {
                    name: (output[PROBABILITY][:, 0], output[DECISION][:, 0])
                    for name, output in outputs.items()
                },
                None if self._group is None else group_ids(batch, self._group),
                timeline_of(batch),
            )
            troubles = find_troubles(pa.Table.from_batches([batch]), self._recorded, usual)
            for key, chosen in rows_of_slices(batch, self._slices.slices, troubles).items():
                yield key, answers.rows(chosen)

    def _answer(self, name: str, ask: Signature, serialised: Any) -> dict[str, Any]:
        import tensorflow as tf

        try:
            return ask({"examples": serialised})
        except tf.errors.InvalidArgumentError as error:
            if name not in {BASELINE, ANCHOR}:
                raise
            lines = error.message.splitlines()
            what = next((line for line in lines if "Feature:" in line), lines[0]).strip()
            raise InputError(
                f"The model blessed before, {self._models[name]}, cannot read these examples "
                f"({what}). Bring back the columns that it needs, or give the use case a new "
                "`name`, so that the comparison starts anew."
            ) from error


class MergeAnswersFn(beam.CombineFn):  # type: ignore[misc]
    """Merges parts of answers."""

    def create_accumulator(self) -> list[Answers]:
        """Returns no parts."""
        return []

    def add_input(self, parts: list[Answers], part: Answers) -> list[Answers]:
        """Returns the parts with one added; merging them all at once is cheaper."""
        parts.append(part)
        return parts

    def merge_accumulators(self, accumulators: Iterable[list[Answers]]) -> list[Answers]:
        """Returns all parts as one list."""
        return [part for parts in accumulators for part in parts]

    def compact(self, parts: list[Answers]) -> list[Answers]:
        """Returns the parts as one, before they travel to another worker."""
        return [merge_answers(parts)] if parts else []

    def extract_output(self, parts: list[Answers]) -> Answers:
        """Returns all answers; every slice has at least one part."""
        return merge_answers(parts)


def _crossed(
    input_dict: Mapping[str, list[Artifact]],
    label: str,
    slices: SliceOptions,
    options: MeasureOptions,
) -> Callable[[], dict[SliceKey, Answers]] | None:
    """Reads the answers on train and eval out of fold; None without cross-fitting."""
    runs = input_dict.get(MODEL_RUN_KEY, [])
    predictions = predictions_file(runs[0].uri if runs else None)
    if predictions is None:
        return None
    examples = artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY])
    return partial(
        answers_out_of_fold, predictions, examples, label, slices=slices, group=options.group
    )


def _write(
    results: list[tuple[SliceKey, Answers]],
    folder: str,
    options: MeasureOptions,
    config: config_pb2.EvalConfig,
    crossed: Callable[[], dict[SliceKey, Answers]] | None,
) -> None:
    write_metrics(folder, dict(results), options)
    if crossed is not None:
        write_procedure(folder, dict(results), crossed(), config, options)
