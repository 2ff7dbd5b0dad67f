"""Writes the files of a gateway on Kubernetes: Envoy's and the servers' models config files.

Without arguments it writes serving/deploy/gateway, as `make config-docs` does.

```bash
python -m scripts.gateway_files DIR --model pumps --stable 7 --candidate 8 --percent 10 --salt r3
```
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.production_options.gateway import GatewayOptions, Tls
from pipeline.production_options.rollout import RolloutOptions
from production.gateway.envoy.access_log import make_access_log
from production.gateway.envoy_files import (
    CLIENTS,
    Ports,
    ServerAddress,
    make_clients,
    make_files,
)
from production.gateway.pins import models_config
from production.gateway.plan import pin_of
from production.gateway.traffic import Arm, Pin, Traffic
from serving.headers import KEY_HEADER

DEFAULT = Path(__file__).resolve().parents[1] / "serving" / "deploy" / "gateway"
# Where serving/deploy/gateway.yaml mounts the files, the certificate and the models.
MOUNTED, TLS, MODELS = Path("/etc/envoy"), Path("/etc/envoy-tls"), Path("/models")
OPTIONS = GatewayOptions(
    host="0.0.0.0",  # noqa: S104 - the pod's own address
    tls=Tls(certificate=str(TLS / "tls.crt"), key=str(TLS / "tls.key")),
    clients=str(MOUNTED / CLIENTS),
)
PORTS = Ports(
    grpc=OPTIONS.grpc_port,
    rest=OPTIONS.rest_port,
    stable=ServerAddress(host="faultline-stable", grpc=8500, rest=8501),
    candidate=ServerAddress(host="faultline-candidate", grpc=8500, rest=8501),
)


def make_all(traffic: Traffic, *, model: str, key_header: str = KEY_HEADER) -> dict[str, bytes]:
    """Returns the files by name.

    Args:
        traffic: Versions and shares of both arms.
        model: Name of the model in requests.
        key_header: Request header with the sticky key.
    """
    files = make_files(
        MOUNTED,
        OPTIONS,
        traffic,
        PORTS,
        key_header=key_header,
        access_log=make_access_log(Path("/dev/stdout"), key_header=key_header),
    )
    for arm in Arm:
        pin = pin_of(traffic, arm)
        text = models_config(model, MODELS / pin.base, {pin.version}, labelled=pin.version)
        files[f"{arm}.config"] = text.encode()
    return files


def _key_header(name: str) -> str:
    return RolloutOptions(key_header=name).key_header


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--model", default="signals", help="name of the served model")
    parser.add_argument("--stable", type=int, default=1, help="version of the stable arm")
    parser.add_argument("--candidate", type=int, help="version of the candidate arm")
    parser.add_argument("--percent", type=int, default=0, help="share of the candidate's keys")
    parser.add_argument("--mirror", type=int, default=0, help="share of the copied requests")
    parser.add_argument("--salt", default="none", help="id of the rollout")
    parser.add_argument(
        "--key-header", type=_key_header, default=KEY_HEADER, help="as in `rollout`"
    )
    parser.add_argument("--clients", type=Path, help="file of clients; writes clients.json")
    asked = parser.parse_args(arguments)
    candidate = None if asked.candidate is None else Pin(base=asked.model, version=asked.candidate)
    traffic = Traffic(
        stable=Pin(base=asked.model, version=asked.stable),
        candidate=candidate,
        candidate_percent=asked.percent,
        mirrored_percent=asked.mirror,
        salt=asked.salt,
    )
    files = make_all(traffic, model=asked.model, key_header=asked.key_header)
    if asked.clients is not None:
        files[CLIENTS] = make_clients(asked.clients)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (asked.folder / name).write_bytes(content.rstrip() + b"\n")


if __name__ == "__main__":
    main()
