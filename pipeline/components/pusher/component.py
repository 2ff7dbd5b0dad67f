"""TFX's Pusher with an executor that pushes atomically."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import proto_utils

from common.digests import file_digest
from common.guards.manifests import Manifest, read_manifest
from common.signing.signatures import SIGNATURE_FILE
from pipeline.components.names import (
    ON_INCONCLUSIVE,
    SHADOW,
    SIGNATURE_DIGEST,
    SIGNER,
    SIGNING,
    WITHDRAWN,
)
from pipeline.components.pusher.signing import signing_key
from pipeline.components.pusher.version_folder import (
    model_digest,
    newest_if_same,
    push_version,
)
from pipeline.config import SHADOW_SUFFIX


class Executor(executor.Executor):  # type: ignore[misc]
    """Pushes a blessed model as one rename; notes on the artifact what TFX's executor notes."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if every blessing says so; else leaves what is served alone.

        A model of which the gate cannot tell, and that the config wants beside the served one, goes
        to a base path of its own, which no client of the served model ever asks. A model whose
        files are those of a withdrawn version is not pushed again; the artifact says which, by whom
        and why.

        Args:
            input_dict: `model`, and `model_blessing` or `infra_blessing` or both.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, a folder of this machine; `custom_config` with the
                withdrawn versions under `withdrawn`, see `pipeline.components.pusher.withdrawn`,
                and with the key under `signing`, see `pipeline.components.pusher.signing`.

        Raises:
            ValueError: The destination is not a folder of this machine.
            InputError: The key to sign with can no longer be used; nothing is pushed.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        base = _base_path(exec_properties)
        shadow = not self.CheckBlessing(input_dict) and self._goes_beside(input_dict)
        if not shadow and not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        if shadow:
            base = base.with_name(base.name + SHADOW_SUFFIX)
        model = Path(self.GetModelPath(input_dict))
        withdrawn = _withdrawn_before(model, base, exec_properties)
        if withdrawn:
            for key, value in withdrawn.items():
                pushed.set_string_custom_property(key, value)
            self._MarkNotPushed(pushed)
            return
        signer = signing_key(_custom_config(exec_properties).get(SIGNING))
        # The archive first: once the version is in place, as little as possible can go wrong.
        shutil.copytree(model, pushed.uri, dirs_exist_ok=True)
        published = _published_files(input_dict, model)
        version = push_version(model, base, now_s=int(time.time()), published=published, key=signer)
        if signer is not None:
            pushed.set_string_custom_property(SIGNER, signer.fingerprint)
            digest = file_digest(version / SIGNATURE_FILE)
            pushed.set_string_custom_property(SIGNATURE_DIGEST, digest)
        if shadow:
            pushed.set_int_custom_property(SHADOW, 1)
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)

    def _goes_beside(self, input_dict: dict[str, list[Artifact]]) -> bool:
        """Whether the gate wants it beside the served model, and it answered in a server."""
        blessing = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        others = {
            key: artifacts
            for key, artifacts in input_dict.items()
            if key != standard_component_specs.MODEL_BLESSING_KEY
        }
        wanted = blessing.get_string_custom_property(ON_INCONCLUSIVE) == "shadow"
        return wanted and bool(self.CheckBlessing(others))


def _withdrawn_before(
    model: Path, base: Path, exec_properties: dict[str, Any]
) -> dict[str, str] | None:
    """What to note of the withdrawn version with the model's files; None where there is none.

    The newest version may have the files of a withdrawn one: an older model that was pushed again.
    """
    by_digest = _custom_config(exec_properties).get(WITHDRAWN, {}).get(base.name)
    if not by_digest or newest_if_same(model, base) is not None:
        return None
    notes: dict[str, str] | None = by_digest.get(model_digest(model))
    return notes


def _custom_config(exec_properties: dict[str, Any]) -> dict[str, Any]:
    text = exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY) or "null"
    return json.loads(text) or {}


def _published_files(input_dict: dict[str, list[Artifact]], model: Path) -> Manifest | None:
    """Returns the model's files when the Trainer published them; None if it noted none."""
    artifact = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
    manifest = read_manifest(artifact.mlmd_artifact.custom_properties)
    return manifest and manifest.below(model.relative_to(artifact.uri).as_posix())


def _base_path(exec_properties: dict[str, Any]) -> Path:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
    )
    base = destination.filesystem.base_directory
    if not base or "://" in base:
        raise ValueError(f"push_destination must be a folder of this machine, got {base!r}")
    return Path(base)


class Pusher(component.Pusher):  # type: ignore[misc]
    """Pushes a blessed model to a folder that TensorFlow Serving watches.

    The interface is TFX's: `model`, `model_blessing`, `infra_blessing`, `push_destination`, and
    the output `pushed_model` with `pushed`, `pushed_destination` and `pushed_version`.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
