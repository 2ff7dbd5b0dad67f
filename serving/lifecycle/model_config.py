"""Model and monitoring configs, with TensorFlow Serving's checks and error texts."""

import logging
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)
from tensorflow_serving.config.model_server_config_pb2 import (
    TENSORFLOW,
    ModelConfig,
    ModelServerConfig,
)

from serving.errors import failed_precondition, invalid_argument
from serving.protos.config_files import MonitoringConfig
from serving.protos.text_files import read_text_proto

logger = logging.getLogger(__name__)

PLATFORM = "tensorflow"
DEFAULT_METRICS_PATH = "/monitoring/prometheus/metrics"
_URI = re.compile(r"[a-zA-Z][0-9a-zA-Z.]*://")


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """The choice of versions to serve from a base path.

    Attributes:
        num_latest: Serves this many of the highest versions, at least 1; None to use another rule.
        specific: Serves these versions if they exist; None to use another rule. If both are None,
            all versions are served.
    """

    num_latest: int | None = None
    specific: frozenset[int] | None = None

    def choose(self, versions: Set[int]) -> set[int]:
        """Returns the existing versions to serve."""
        if self.specific is not None:
            return set(versions & self.specific)
        if self.num_latest is None:
            return set(versions)
        return set(sorted(versions)[-self.num_latest :])


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The config of one model.

    Attributes:
        name: Name in requests.
        base_path: Absolute path or URI of the folder that holds the versions.
        policy: The choice of versions to serve.
        labels: Version by label.
    """

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy(num_latest=1)
    labels: Mapping[str, int] = field(default_factory=dict)


def single_model_config(name: str, base_path: str) -> ModelServerConfig:
    """Returns the config of a server with `--model_name` and `--model_base_path`."""
    config = ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def read_metrics_path(monitoring_config_file: str) -> str | None:
    """Returns the URL path of the metrics, or None if they are disabled.

    Raises:
        ServingError: The file is missing or cannot be parsed.
    """
    if not monitoring_config_file:
        return None
    prometheus = read_text_proto(monitoring_config_file, MonitoringConfig).prometheus_config
    return (prometheus.path or DEFAULT_METRICS_PATH) if prometheus.enable else None


def read_settings(config: ModelServerConfig) -> dict[str, ModelSettings]:
    """Returns the models of a config by name, in the config's order.

    Raises:
        ServingError: A name is listed twice, a base path is relative, or the platform is not
            supported.
    """
    settings: dict[str, ModelSettings] = {}
    for model in config.model_config_list.config:
        if model.name in settings:
            raise invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        settings[model.name] = ModelSettings(
            name=model.name,
            base_path=model.base_path,
            policy=_policy(model.model_version_policy),
            labels=dict(model.version_labels),
        )
    for model in config.model_config_list.config:
        if not (model.base_path.startswith("/") or _URI.match(model.base_path)):
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; "
                f"got base_path()={model.base_path}"
            )
    for model in config.model_config_list.config:
        _check_platform(model)
    return settings


def check_transition(old: ModelServerConfig | None, new: ModelServerConfig) -> None:
    """Checks that one config may replace another.

    Raises:
        ServingError: FAILED_PRECONDITION if a config that is not a list of models replaces another;
            INVALID_ARGUMENT for a custom config.
    """
    if old is not None and new.WhichOneof("config") != "model_config_list":
        raise failed_precondition(
            "Cannot transition to requested config. It is only legal to transition from one "
            "ModelConfigList to another."
        )
    if new.WhichOneof("config") == "custom_model_config":
        raise invalid_argument("Invalid ServerModelConfig")


def check_request_logging(config: ModelServerConfig) -> None:
    """Refuses `logging_config`, like a TensorFlow Serving without a request logger.

    Raises:
        ServingError: INVALID_ARGUMENT if a model has one.
    """
    if any(model.HasField("logging_config") for model in config.model_config_list.config):
        raise invalid_argument("No request-logger-creator provided.")


def _policy(policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy) -> VersionPolicy:
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return VersionPolicy()
    if kind == "specific":
        return VersionPolicy(specific=frozenset(policy.specific.versions))
    return VersionPolicy(num_latest=max(policy.latest.num_versions, 1))


def _check_platform(model: ModelConfig) -> None:
    if model.model_type:
        if model.model_platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                "ModelServerConfig::model_platform."
            )
        if model.model_type != TENSORFLOW:
            raise invalid_argument(
                f"ModelServerConfig::model_type choice {model.model_type} not supported."
            )
    elif not model.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform."
        )
    elif model.model_platform != PLATFORM:
        raise invalid_argument(
            f"Model {model.name} requests unsupported platform {model.model_platform}"
        )
