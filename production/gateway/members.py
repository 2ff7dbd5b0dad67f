"""Members of a gateway: options, and the commands of its three processes."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import StepFailedError
from common.output_folder import OutputFolder
from pipeline.production_options.gateway import GatewayOptions
from production.gateway.envoy_files import BOOTSTRAP, ServerAddress, envoy_program
from production.gateway.processes import Command
from production.gateway.traffic import Arm
from serving.headers import KEY_HEADER

_PROJECT = Path(__file__).resolve().parents[2]
_RECORDING = "recording.json"
_MONITORING = "monitoring.config"
# Path of the servers' metrics on their REST ports, TensorFlow Serving's own.
METRICS_PATH = "/monitoring/prometheus/metrics"


class GatewayError(StepFailedError):
    """The gateway cannot do what it should; what it serves is unchanged. The message says why."""


@dataclass(frozen=True, kw_only=True)
class GatewaySpec:
    """What a gateway is made from.

    Attributes:
        model: Name of the served model.
        folder: The output folder.
        options: The gateway's options, with absolute paths.
        key_header: Request header with the sticky key.
        server_flags: Flags for both servers, such as `--enable_batching`.
        recording: Options of the recording, as in `--collect_config`; None records nothing.
        grace_s: Seconds that requests in progress get when the gateway ends.
    """

    model: str
    folder: OutputFolder
    options: GatewayOptions = field(default_factory=GatewayOptions)
    key_header: str = KEY_HEADER
    server_flags: Sequence[str] = ()
    recording: Mapping[str, Any] | None = field(default_factory=dict)
    grace_s: float = 20.0

    @property
    def path(self) -> Path:
        """Folder of the gateway's files."""
        return self.folder.gateway(self.model)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One process of the gateway.

    Attributes:
        name: `stable`, `candidate` or `envoy`.
        pid: Its process id; None while it does not run.
        is_serving: Whether it does its work: a server serves the version that it is pinned to.
        num_starts: How often it was started.
        log: Log of its output.
        num_ends: How often it ended by itself.
        last_end: How it ended last, such as `exit code 1`; empty before its first end.
        error: Why a server does not serve its version; empty if it does, or is about to.
    """

    name: str
    pid: int | None
    is_serving: bool
    num_starts: int
    log: Path
    num_ends: int = 0
    last_end: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Members:
    """The processes of the gateway.

    Attributes:
        stable: Server of the stable arm.
        candidate: Server of the candidate arm.
        envoy: The proxy.
    """

    stable: Member
    candidate: Member
    envoy: Member

    def __iter__(self) -> Iterator[Member]:
        """Yields all of them."""
        yield from (self.stable, self.candidate, self.envoy)


def write_server_files(spec: GatewaySpec) -> None:
    """Writes the options of the metrics and of the recording for both servers."""
    metrics = f'prometheus_config {{ enable: true path: "{METRICS_PATH}" }}\n'
    (spec.path / _MONITORING).write_text(metrics, encoding="utf-8")
    if spec.recording is not None:
        text = json.dumps(dict(spec.recording), indent=1)
        (spec.path / _RECORDING).write_text(text + "\n", encoding="utf-8")


def server_command(
    spec: GatewaySpec, arm: Arm, address: ServerAddress, config_file: Path
) -> Command:
    """Returns the command of one arm's server.

    Args:
        spec: What the gateway is made from.
        arm: The arm.
        address: Where the server listens.
        config_file: Its models config file.
    """
    flags = [
        # The supervisor decides what comes after a failed load.
        "--max_num_load_retries=0",
        f"--monitoring_config_file={spec.path / _MONITORING}",
        *spec.server_flags,
        f"--host={address.host}",
        f"--port={address.grpc}",
        f"--rest_api_port={address.rest}",
        f"--model_config_file={config_file}",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models",
        "--enable_grpc_healthcheck_service",
        f"--grace={spec.grace_s}",
    ]
    if spec.recording is not None:
        flags += [
            f"--collect_dir={spec.folder.collected(spec.model).parent}",
            f"--collect_arm={arm}",
            f"--collect_config={spec.path / _RECORDING}",
        ]
    # The user's flags may name files relative to the working directory, which is not changed.
    packages = os.pathsep.join([str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return Command(
        arguments=[sys.executable, "-P", "-m", "serving.server", *flags],
        env={**os.environ, "PYTHONPATH": packages},
    )


def envoy_command(folder: Path) -> Command:
    """Returns the command of Envoy, whose files are in a folder.

    Hot restart is for new programs without a pause. Without it, Envoy needs no shared memory and no
    number of its own on the machine.
    """
    arguments = [envoy_program(), "-c", BOOTSTRAP, "--disable-hot-restart", "-l", "warning"]
    return Command(arguments=arguments, cwd=folder)
