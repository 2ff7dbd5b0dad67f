"""The InfraValidator component: a model that fails in its server is not pushed."""

import json
import logging
from pathlib import Path

import pyarrow.parquet as pq
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelRun
from tfx.utils import path_utils

from common.example_files import split_files
from common.internals.tfx import mark_infra_blessing
from models.exporting.export import EVAL_PREDICTIONS_FILE, SERVING_DEFAULT, read_signatures
from pipeline.components.infra_validator.replay import Replay, Sample, replay, take_sample
from pipeline.components.infra_validator.server_process import ServerFailedError, model_server
from pipeline.components.infra_validator.signatures import check_signatures
from serving.client import Client

_MAX_ROWS = 512
_NAME = "candidate"
_progress = logging.getLogger("faultline.progress")


@component
def InfraValidator(  # noqa: N802 - a component is a noun
    model: InputArtifact[Model],
    model_run: InputArtifact[ModelRun],
    examples: InputArtifact[Examples],
    blessing: OutputArtifact[InfraBlessing],
    label: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Serves the model in a new process and queries it by both protocols and both signatures.

    Args:
        model: The candidate.
        model_run: The Trainer's own predictions of the eval split.
        examples: The examples; some of the eval split are replayed.
        blessing: Gets the file and property that Pusher reads, and
            `num_requests`, `num_examples`, `max_difference` and `problems` as JSON.
        label: The label column.
        code_digest: Digest of the code of this component and of the server.
    """
    folder = Path(path_utils.serving_model_path(model.uri))
    files = split_files(examples.uri, "eval")
    own = pq.read_table(Path(model_run.uri) / EVAL_PREDICTIONS_FILE)["probability"].to_numpy()
    sample = take_sample(files, own, label=label, max_rows=_MAX_ROWS)
    result = validate(folder, sample, label=label)
    _write_blessing(blessing, model, result)
    blessing.set_int_custom_property("num_examples", len(sample.examples))


def validate(folder: Path, sample: Sample, *, label: str) -> Replay:
    """Returns the result of replaying a sample through a server of the model.

    Args:
        folder: The SavedModel.
        sample: Examples and the Trainer's own predictions.
        label: The label column.
    """
    signatures = read_signatures(folder)
    if problems := check_signatures(signatures, label):
        return Replay(num_requests=0, max_difference=0.0, problems=tuple(problems))
    _progress.info("starting a model server")
    try:
        with model_server(folder, _NAME) as address:
            _progress.info("replaying %d examples", len(sample.examples))
            with (
                Client(address.grpc, model=_NAME) as grpc,
                Client(address.rest, model=_NAME) as rest,
            ):
                clients = {"gRPC": grpc, "REST": rest}
                return replay(sample, clients, signatures[SERVING_DEFAULT].inputs)
    except ServerFailedError as error:
        problem = f"The server does not load the model: {error}"
        return Replay(num_requests=0, max_difference=0.0, problems=(problem,))


def _write_blessing(blessing: InfraBlessing, model: Model, result: Replay) -> None:
    """Writes what TFX's InfraValidator writes, the model's id, and the reasons."""
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    mark_infra_blessing(blessing, blessed=not result.problems)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property("num_requests", result.num_requests)
    # As text: ML Metadata keeps six decimals of a number.
    blessing.set_string_custom_property("max_difference", f"{result.max_difference:.1e}")
    blessing.set_string_custom_property("problems", json.dumps(result.problems))
