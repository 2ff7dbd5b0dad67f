"""`faultline metrics`: the metrics of the output folder for Prometheus."""

import ipaddress
import logging
import sys
import threading
from pathlib import Path

from common.errors import InputError
from common.logs import are_json, log_event
from common.output_folder import OutputFolder
from production.monitoring.exposition.exposition import Exposition
from production.monitoring.exposition.server import exposing

logger = logging.getLogger(__name__)


def print_metrics(output: Path) -> int:
    """Prints the metrics once; returns the exit code.

    Raises:
        InputError: There is no output folder.
    """
    sys.stdout.write(Exposition(_existing(output)).render().decode())
    return 0


def serve_metrics(output: Path, *, host: str, port: int) -> int:
    """Serves the metrics until a signal ends the process.

    Args:
        output: The output folder.
        host: IP address to listen on.
        port: The port; 0 picks a free one.

    Raises:
        InputError: There is no output folder, or the port is taken.
    """
    if not _is_loopback(host):
        logger.warning(
            "Everybody who can reach %s can read the metrics: there is neither a password nor TLS. "
            "Let a firewall admit Prometheus only, or listen on 127.0.0.1.",
            host,
        )
    with exposing(_existing(output), host=host, port=port) as listening:
        line = f"Metrics on http://{host}:{listening}/metrics"
        if are_json():
            log_event(line)
        else:
            sys.stdout.write(f"{line}\nCtrl-C stops.\n")
            sys.stdout.flush()
        threading.Event().wait()
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def _existing(output: Path) -> OutputFolder:
    if not output.is_dir():
        raise InputError(
            f"There is no output folder {output}. Run `faultline run` or `faultline serve` first, "
            "or name the folder with --output."
        )
    return OutputFolder(output.absolute())
