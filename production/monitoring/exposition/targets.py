"""The servers behind the gateways as targets of Prometheus, whose ports change with each start."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.output_folder import OutputFolder
from production.gateway.members import METRICS_PATH
from production.gateway.processes import running_pids
from production.gateway.traffic import Arm

_CLUSTERS = "cds.json"


def find_targets(folder: OutputFolder) -> list[dict[str, Any]]:
    """Returns the running servers of all gateways, as Prometheus's `http_sd_configs` expect them.

    Their labels are `gateway`, the name of the model, and `arm`.
    """
    gateways = folder.gateway("x").parent
    places = sorted(gateways.iterdir()) if gateways.is_dir() else []
    return [target for place in places for target in _targets(place)]


def _targets(place: Path) -> Iterator[dict[str, Any]]:
    pids = running_pids(place)
    addresses = _addresses(place / _CLUSTERS)
    for arm in Arm:
        if arm in pids and (address := addresses.get(f"{arm}_rest")):
            labels = {"gateway": place.name, "arm": arm.value, "__metrics_path__": METRICS_PATH}
            yield {"targets": [address], "labels": labels}


def _addresses(path: Path) -> dict[str, str]:
    """Returns the address of each of Envoy's clusters that has one of its own."""
    try:
        clusters = json.loads(path.read_bytes())["resources"]
    except FileNotFoundError:
        return {}
    addresses = {}
    for cluster in clusters:
        if "load_assignment" in cluster:
            endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
            socket = endpoint["address"]["socket_address"]
            addresses[cluster["name"]] = f"{socket['address']}:{socket['port_value']}"
    return addresses
