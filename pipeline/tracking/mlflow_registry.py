"""Pushed versions in MLflow's model registry: signature and lineage, no copy of the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common.output_folder import OutputFolder, replace_file
from pipeline.components.names import APPROVED_BY
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.references import pushed_name
from pipeline.lineage.runs import run_output
from pipeline.tracking.run_record import RunRecord, run_tags
from serving.client.signatures import TensorSpec, numpy_dtype

# The tag by which a version is known again: the registry numbers versions by itself.
VERSION_TAG = "faultline.pushed"
_DESCRIPTION = "Versions pushed by Faultline. The registry does not track which one is served."


def register_version(
    client: Any, graph: Graph, run: Run, record: RunRecord, run_id: str, folder: OutputFolder
) -> str:
    """Registers the version that a run pushed, once, and returns `NAME/NUMBER` in the registry.

    Args:
        client: MLflow's client.
        graph: Everything that ML Metadata holds.
        run: The run; it pushed a version or recorded one that exists.
        record: The same run.
        run_id: Its id in MLflow.
        folder: The output folder; gets `mlflow_models/NAME/VERSION/MLmodel`.
    """
    pushed = run_output(graph, run, "PushedModel")
    if pushed is None:
        raise ValueError("the run has no record of a push")
    label = pushed_name(pushed)
    name = label.partition("/")[0]
    known = client.search_model_versions(f"name = '{name}'")
    for version in known:
        if version.tags.get(VERSION_TAG) == label:
            return f"{name}/{version.version}"
    path = Path(str(pushed.properties["pushed_destination"]))
    source = folder.root / "mlflow_models" / label
    write_model_file(path, source, run_id)
    if not known and not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=_DESCRIPTION)
    tags = {f"faultline.{key}": value for key, value in run_tags(record).items()}
    tags |= {VERSION_TAG: label, "faultline.pushed_path": str(path)}
    blessing = run_output(graph, run, "ModelBlessing")
    if blessing is not None and blessing.properties.get(APPROVED_BY):
        tags["faultline.approved_by"] = str(blessing.properties[APPROVED_BY])
    created = client.create_model_version(name, source.as_uri(), run_id=run_id, tags=tags)
    return f"{name}/{created.version}"


def write_model_file(version: Path, folder: Path, run_id: str) -> None:
    """Writes MLflow's `MLmodel` with the signature of a pushed version.

    The version's own folder is what was judged; nothing is added to it.

    Args:
        version: Folder of the pushed version, a SavedModel.
        folder: Gets the file.
        run_id: The run's id in MLflow.
    """
    # TensorFlow's protocol buffers; a run that pushed something has imported them.
    from models.exporting.export import SERVING_DEFAULT, read_signatures

    definition = read_signatures(version)[SERVING_DEFAULT]
    model = make_model(_specs(definition.inputs), _specs(definition.outputs), run_id)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "MLmodel", model.to_yaml().encode())


def make_model(
    inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], run_id: str
) -> Any:
    """Returns MLflow's description of a model, without a flavour: MLflow does not load it."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema

    signature = ModelSignature(
        inputs=Schema([_tensor(spec) for spec in inputs.values()]),
        outputs=Schema([_tensor(spec) for spec in outputs.values()]),
    )
    return Model(run_id=run_id, signature=signature)


def _tensor(spec: TensorSpec) -> Any:
    from mlflow.types import TensorSpec as MlflowSpec

    if spec.dtype is None or spec.shape is None:
        raise ValueError(f"`{spec.name}` of the signature has no fixed type and rank")
    return MlflowSpec(np.dtype("str") if spec.is_text else spec.dtype, spec.shape, spec.name)


def _specs(tensors: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            name=name,
            dtype=numpy_dtype(info.dtype),
            shape=tuple(dimension.size for dimension in info.tensor_shape.dim),
        )
        for name, info in sorted(tensors.items())
    }
