"""A Beam worker in its own process, started by an engine on this machine.

This is Beam's PROCESS environment: the engine runs a command with the worker's id and the address
of its services. Beam's own command is part of its container image; this one is for a worker that
imports this checkout.
"""

import argparse
import json
import os
import stat
import sys
from pathlib import Path

import grpc
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from google.protobuf import json_format, text_format

PROJECT = Path(__file__).resolve().parents[1]
_MODULE = "apache_beam.runners.worker.sdk_worker_main"
_TIMEOUT_S = 30


def process_environment(folder: Path) -> list[str]:
    """Returns Beam's options for workers in their own processes.

    Args:
        folder: Folder for the command that the engine runs.
    """
    command = folder / "worker.sh"
    # An engine runs a program without further arguments.
    command.write_text(
        f'#!/bin/sh\ncd "{PROJECT}" && exec "{sys.executable}" -m engines.worker "$@"\n',
        encoding="utf-8",
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    config = json.dumps({"command": str(command)})
    return ["--environment_type=PROCESS", f"--environment_config={config}"]


def main() -> None:
    """Runs Beam's worker with the settings that the engine provides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    options, _ = parser.parse_known_args()
    info = _ask(options.provision_endpoint, options.id)
    environment = {
        "WORKER_ID": options.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(info.logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(info.control_endpoint),
    }
    os.execve(  # noqa: S606 - the worker takes this process's place
        sys.executable, [sys.executable, "-m", _MODULE], os.environ | environment
    )


def _ask(endpoint: str, worker: str) -> beam_provision_api_pb2.ProvisionInfo:
    with grpc.insecure_channel(endpoint) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        response = stub.GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(),
            metadata=[("worker_id", worker)],
            timeout=_TIMEOUT_S,
        )
    return response.info


def _descriptor(endpoint: endpoints_pb2.ApiServiceDescriptor) -> str:
    return str(text_format.MessageToString(endpoint))


if __name__ == "__main__":
    main()
