"""The gateway's Envoy in front of a server that runs already."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.production_options.gateway import GatewayOptions
from production.gateway.admin import AdminError, EnvoyAdmin
from production.gateway.envoy_files import (
    ADMIN_SOCKET,
    BOOTSTRAP,
    Ports,
    ServerAddress,
    envoy_program,
    write_files,
)
from production.gateway.traffic import Pin, Traffic
from tests.serving.contract.launching import eventually
from tests.serving.contract.wires import free_port


@contextmanager
def in_front_of(grpc: str, rest: str, *, folder: Path) -> Iterator[tuple[str, str]]:
    """Runs Envoy with the files of a gateway whose two servers are the same one.

    Args:
        grpc: `host:port` of the server's gRPC.
        rest: `host:port` of its REST.
        folder: Folder for Envoy's files.

    Yields:
        The gateway's own addresses, gRPC then REST.
    """
    ports = [int(address.rpartition(":")[2]) for address in (grpc, rest)]
    server = ServerAddress(grpc=ports[0], rest=ports[1])
    own = Ports(grpc=free_port(), rest=free_port(), stable=server, candidate=server)
    options = GatewayOptions(allow_reload=True)
    write_files(folder, options, Traffic(stable=Pin(base="any", version=1)), own)
    admin = EnvoyAdmin(folder / ADMIN_SOCKET)

    def is_ready() -> bool:
        try:
            return admin.is_live() and all(admin.healthy().values())
        except AdminError:
            return False

    command = [envoy_program(), "-c", BOOTSTRAP, "--disable-hot-restart"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        eventually(is_ready)
        yield f"127.0.0.1:{own.grpc}", f"127.0.0.1:{own.rest}"
    finally:
        process.terminate()
        process.wait(20)
