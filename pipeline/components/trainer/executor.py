"""The executor of Trainer, which passes the sampling record in and checks the correction."""

import itertools
import json
from pathlib import Path
from typing import Any

from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import json_utils, path_utils

from common.errors import InputError
from common.software.bill_of_materials import write_bill
from models.model_spec import ModelSpec
from models.probabilities.calibration import MIN_ISOTONIC_POSITIVES, too_few_for_isotonic
from models.probabilities.sampling import SAMPLING_KEY, SamplingRecord, SamplingShift, check_shift
from models.probabilities.thresholds import check_threshold
from pipeline.components.case_control.executor import SAMPLING_PROPERTY
from pipeline.components.statistics_gen.profiles import DataProfile
from pipeline.components.trainer.reference import REFERENCE_FILE, make_reference

_EXAMPLES = standard_component_specs.EXAMPLES_KEY
READING_KEY = "reading"
REFERENCE_KEY = "reference"
_MAX_PROFILED_ROWS = 200_000
_SCORED_ROWS = 1_024


class Executor(GenericExecutor):  # type: ignore[misc]
    """TFX's executor, which also passes the record of the sampling to its function."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains, and checks that the model corrects for the sampling.

        Raises:
            InputError: The calibration or the threshold asked for needs more examples in eval.
            ValueError: The exported model's correction does not match the sampling.
        """
        examples = artifact_utils.get_single_instance(input_dict[_EXAMPLES])
        config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        spec = ModelSpec.from_json(config["model_spec"])
        splits = ("eval",) if spec.cross_fit is None else ("train", "eval")
        num_rows, num_positives = (
            sum(examples.get_int_custom_property(f"{name}_{split}") for split in splits)
            for name in ("num_rows", "num_positives")
        )
        check_eval(spec, num_rows=num_rows, num_positives=num_positives)
        recorded = examples.get_string_custom_property(SAMPLING_PROPERTY)
        super().Do(input_dict, output_dict, told_of_sampling(input_dict, exec_properties))
        model = artifact_utils.get_single_uri(output_dict[standard_component_specs.MODEL_KEY])
        exported = path_utils.serving_model_path(model)
        if recorded:
            check_export(exported, SamplingRecord.from_json(recorded))
        if config.get(REFERENCE_KEY):
            note_reference(exported, examples.uri, spec, is_sampled=bool(recorded))
        if READING_KEY in config:
            note_reading(exported, config[READING_KEY])
        write_bill(Path(exported))


def told_of_sampling(
    input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]
) -> dict[str, Any]:
    """Returns execution properties with the record of the sampling, if any, in `custom_config`.

    Args:
        input_dict: `examples`.
        exec_properties: The component's own.
    """
    examples = artifact_utils.get_single_instance(input_dict[_EXAMPLES])
    recorded = examples.get_string_custom_property(SAMPLING_PROPERTY)
    config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
    extended = config | ({SAMPLING_KEY: recorded} if recorded else {})
    return exec_properties | {
        standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps(extended)
    }


def note_reading(folder: str, contract: str) -> None:
    """Writes how rows are read into the model, for `predict` to read them alike.

    Args:
        folder: The exported SavedModel.
        contract: JSON of the `IngestSpec` that the examples were read by.
    """
    from models.exporting.export import add_model_info

    add_model_info(Path(folder), {READING_KEY: json.loads(contract)})


def note_reference(folder: str, examples_uri: str, spec: ModelSpec, *, is_sampled: bool) -> None:
    """Writes into the model what later data are compared with.

    Args:
        folder: The exported SavedModel.
        examples_uri: The examples.
        spec: The features and the label.
        is_sampled: Whether the train split was sampled; then eval is the reference.
    """
    from common.example_files import read_serialised, split_files
    from models.exporting.export import SERVE_EXAMPLES, load_in_session

    split = "eval" if is_sampled else "train"
    profile = _profile(split_files(examples_uri, split))
    ask = load_in_session(Path(folder), SERVE_EXAMPLES)
    num_test = num_alarms = 0
    for batch in read_serialised(*split_files(examples_uri, "test"), batch_rows=_SCORED_ROWS):
        num_test += len(batch)
        decisions = ask({"examples": batch}).get("decision")
        num_alarms += 0 if decisions is None else int(decisions.sum())
    reference = make_reference(
        profile,
        spec.features,
        split=split,
        num_test=num_test,
        num_test_alarms=num_alarms,
    )
    path = Path(folder) / REFERENCE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reference.to_json() + "\n", encoding="utf-8")


def _profile(files: list[str]) -> DataProfile:
    """Returns the profile of at most about `_MAX_PROFILED_ROWS` rows, evenly over the files."""
    from common.example_files import BATCH_ROWS, read_batches
    from pipeline.components.statistics_gen.profiling import ProfileAccumulator

    accumulator = ProfileAccumulator()
    for file in files:
        most = max(1, _MAX_PROFILED_ROWS // len(files) // BATCH_ROWS)
        for batch in itertools.islice(read_batches(file), most):
            accumulator.add(batch)
    return accumulator.profile()


def check_eval(spec: ModelSpec, *, num_rows: int, num_positives: int) -> None:
    """Checks, before training, that the examples suffice for calibration and threshold.

    Args:
        spec: The calibration and the rule of the threshold.
        num_rows: Examples of eval; with cross-fitting, of train and eval.
        num_positives: Faults among them.

    Raises:
        InputError: Isotonic regression has too few positives, or the rule of the threshold too few
            examples for what it promises.
    """
    if spec.calibration == "isotonic" and num_positives < MIN_ISOTONIC_POSITIVES:
        raise InputError(too_few_for_isotonic(num_positives))
    check_threshold(
        spec.threshold, num_positive=num_positives, num_negative=num_rows - num_positives
    )


def check_export(folder: str, recorded: SamplingRecord) -> None:
    """Checks an exported model's correction against the sampling record in the metadata.

    `export_model` checks the same; this check covers any training function.

    Raises:
        ValueError: The model states no correction, or another one.
    """
    from models.exporting.export import MODEL_INFO_FILE

    path = Path(folder) / MODEL_INFO_FILE
    if not fileio.exists(str(path)):
        raise ValueError(
            f"The model in {folder} was trained on sampled examples and says nothing of a "
            "correction. Export it with `models.exporting.export.export_model`."
        )
    info = json.loads(path.read_text(encoding="utf-8"))
    check_shift(SamplingShift(**info["correction"]["sampling"]), recorded)
