"""A real Prometheus on the loopback, and promtool beside it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from common.processes import child_process, free_ports

PROJECT = Path(__file__).resolve().parents[4]
DEPLOY = PROJECT / "serving" / "deploy" / "prometheus"
# Where .ci/run unpacks Debian's package.
_UNPACKED = PROJECT / ".venv" / "prometheus"
_TIMEOUT_S = 60.0


def program(name: str) -> str:
    """Returns the path of `prometheus` or `promtool`; skips the test where there is none.

    In CI there has to be one.
    """
    path = shutil.which(name, path=os.pathsep.join([str(_UNPACKED), os.environ.get("PATH", "")]))
    if path is None:
        words = f"{name} is not installed: it is in Debian's package prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return path


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("promtool"), *arguments]
    return subprocess.run(
        command, cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False
    )


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited {_TIMEOUT_S:.0f} s until {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns the series of an instant query, which must succeed."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def is_true(self, expression: str) -> bool:
        return bool(self.query(expression))

    def alerts(self) -> dict[str, str]:
        """Returns the state of each alert that is pending or fires."""
        answer = httpx.get(f"{self.url}/api/v1/alerts").json()
        return {alert["labels"]["alertname"]: alert["state"] for alert in answer["data"]["alerts"]}


@contextmanager
def running(folder: Path, ports: Mapping[int, int]) -> Iterator[Prometheus]:
    """Runs Prometheus with the deployed files, which scrapes each second.

    Args:
        folder: Folder for its files.
        ports: The port to ask instead of each one in the deployed config.
    """
    config = YAML(typ="safe").load(DEPLOY / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        for static in job.get("static_configs", ()):
            static["targets"] = [_at(target, ports) for target in static["targets"]]
        for discovery in job.get("http_sd_configs", ()):
            discovery["url"] = _at(discovery["url"], ports)
            discovery["refresh_interval"] = "1s"
    YAML(typ="safe").dump(config, folder / "prometheus.yml")
    shutil.copy(DEPLOY / "rules.yml", folder)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with child_process(command, log=folder / "prometheus.log"):
        wait_for(lambda: _is_ready(url), f"Prometheus is ready, see {folder}")
        yield Prometheus(url)


def _at(address: str, ports: Mapping[int, int]) -> str:
    for deployed, actual in ports.items():
        address = address.replace(f":{deployed}", f":{actual}")
    return address


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.HTTPError:
        return False
