"""The clients that may use the gateway: names, and the SHA-256 of their bearer tokens."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from common.errors import InputError
from production.gateway.envoy.matching import Value

FILTER = "clients"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def read_clients(path: Path) -> dict[str, str]:
    """Returns the names of the clients by the SHA-256 of their tokens.

    Each line of the file is a name and a SHA-256 in hexadecimal digits; a client may have several
    lines, for the time in which its token changes. Empty lines and those after `#` do not count.

    Raises:
        InputError: The file cannot be read, a line has another form, two clients
            share a token, or the file names nobody.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(
            f"gateway.clients: cannot read {path}: {reason}. Expected a file with a line `NAME "
            "SHA256` for each client."
        ) from error
    clients: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, *rest = line.partition("#")[0].split() or [""]
        if not name:
            continue
        place, digest = f"{path}, line {number}", " ".join(rest).lower()
        _check_line(place, name, digest)
        if clients.setdefault(digest, name) != name:
            raise InputError(
                f"{place}: {name} has the token of {clients[digest]}. Give each a token of its own."
            )
    if not clients:
        raise InputError(
            f"gateway.clients: {path} names no client, so that the gateway would refuse everybody. "
            "Add a line `NAME SHA256`, or remove `clients`."
        )
    return clients


def _check_line(place: str, name: str, digest: str) -> None:
    # The digits are not quoted: a token itself may be there by mistake.
    if not _DIGEST.fullmatch(digest):
        raise InputError(
            f"{place}: expected a name, a blank and the 64 hexadecimal digits of the token's "
            'SHA-256. Write them with: printf %s "$TOKEN" | sha256sum | cut -c-64'
        )
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{place}: expected a name of up to 64 letters, digits, dots, dashes and underscores."
        )


def make_filter(clients: Mapping[str, str]) -> Value:
    """Returns Envoy's filter that refuses everybody but these clients.

    It is Lua inside Envoy: of Envoy's own filters, some keep tokens in plain text (api_key_auth,
    header matchers of RBAC), some take other credentials (basic_auth, jwt_authn), and ext_authz
    asks a further process for every request.

    Args:
        clients: Names by the SHA-256 of tokens.
    """
    entries = ",\n".join(
        f"  [{json.dumps(digest)}] = {json.dumps(name)}" for digest, name in clients.items()
    )
    script = files("production.gateway.envoy").joinpath("clients.lua").read_text(encoding="utf-8")
    code = f"local CLIENTS = {{\n{entries}\n}}\n{script}"
    return {"@type": _TYPE, "default_source_code": {"inline_string": code}}
