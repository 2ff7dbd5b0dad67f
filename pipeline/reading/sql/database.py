"""The address of a database: its URL, taken apart and checked; it never holds a password."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from common.errors import InputError
from common.guards.redaction import redact_text

Kind = Literal["postgresql", "mariadb", "sqlite"]
TlsMode = Literal["disable", "prefer", "require", "verify-ca"]

PASSWORD_ENV = "FAULTLINE_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
_SCHEMES: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mariadb",
    "mariadb": "mariadb",
    "sqlite": "sqlite",
}
_PORTS: dict[Kind, int] = {"postgresql": 5432, "mariadb": 3306}
_FORMS = (
    "postgresql://USER@HOST:PORT/DATABASE, mysql://USER@HOST:PORT/DATABASE (MariaDB as well) or "
    "sqlite:///PATH"
)
_HINTS = {
    "duckdb": " DuckDB writes what data.path reads: COPY (SELECT …) TO 'readings.parquet'.",
}
_OPTIONS = ("sslmode", "sslrootcert")


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database of a server, or an SQLite file.

    Attributes:
        kind: The program; MySQL counts as MariaDB.
        name: Name of the database; for SQLite the path of the file.
        host: The server's host; empty for SQLite.
        port: The server's port; 0 for SQLite.
        user: The account; empty for SQLite.
        tls_mode: `disable`, `prefer` (TLS if the server has it; PostgreSQL only), `require`, or
            `verify-ca`, which also checks the server's certificate.
        root_certificate: Path of the certificates that `verify-ca` trusts.
        password_env: Environment variable with the password; see `passwords.find_password`.
        key: Where the URL was given, for messages: a key of the YAML or `--source`.
    """

    kind: Kind
    name: str
    host: str = ""
    port: int = 0
    user: str = ""
    tls_mode: TlsMode = "disable"
    root_certificate: str | None = None
    password_env: str = PASSWORD_ENV
    key: str = "data.sql.url"

    def __str__(self) -> str:
        """Returns the URL for messages and records; there is no password in it."""
        if self.kind == "sqlite":
            return f"sqlite:///{self.name}"
        scheme = "mysql" if self.kind == "mariadb" else self.kind
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{quote(self.user)}@{host}:{self.port}/{quote(self.name)}"


def is_database_url(text: str) -> bool:
    """Whether a location is the URL of a database, by its scheme."""
    return text.partition("://")[0] in _SCHEMES and "://" in text


def parse_url(
    url: str,
    *,
    folder: Path | None = None,
    password_env: str = PASSWORD_ENV,
    key: str = "data.sql.url",
) -> Database:
    """Takes the URL of a database apart.

    Args:
        url: `postgresql://USER@HOST:PORT/DATABASE`, `mysql://…` or `sqlite:///PATH`. The options
            `sslmode` and `sslrootcert` may follow a `?`.
        folder: Folder to which the path of an SQLite file is relative, by default the current one.
        password_env: Environment variable with the password.
        key: Where the URL was given, for messages.

    Raises:
        InputError: The URL is no such URL, or holds a password. Its text is shown without one.
    """
    shown = redact_text(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{key} must be {_FORMS}, got {shown} ({error}).") from error
    kind = _SCHEMES.get(parts.scheme)
    if kind is None:
        raise InputError(f"{key} must be {_FORMS}, got {shown}.{_HINTS.get(parts.scheme, '')}")
    if parts.password is not None:
        raise InputError(
            f"{key} must not hold a password, got {shown}. Put it into the environment variable "
            f"{password_env}, or into ~/.pgpass (PostgreSQL) or ~/.my.cnf (MariaDB)."
        )
    if kind == "sqlite":
        return _sqlite(url, folder or Path(), key)
    name = unquote(parts.path.strip("/"))
    if not parts.hostname or not parts.username or not name or "/" in name or parts.fragment:
        raise InputError(f"{key} must be {_FORMS}, got {shown}.")
    options = _tls_options(kind, parts.query, folder or Path(), key)
    return Database(
        kind=kind,
        name=name,
        host=parts.hostname,
        port=port or _PORTS[kind],
        user=unquote(parts.username),
        tls_mode=cast(TlsMode, options["sslmode"]),
        root_certificate=options.get("sslrootcert"),
        password_env=password_env,
        key=key,
    )


def _sqlite(url: str, folder: Path, key: str) -> Database:
    path = url.partition("://")[2]
    if not path.startswith("/") or not path.strip("/"):
        raise InputError(
            f"{key} must be sqlite:///PATH, got {url}. A relative path follows three slashes, an "
            "absolute one four: sqlite:////srv/readings.db."
        )
    full = (folder / unquote(path[1:])).absolute()
    if not full.is_file():
        near = difflib.get_close_matches(full.name, _file_names(full.parent), n=1)
        hint = f" Did you mean {quote(near[0])}?" if near else ""
        if full.is_dir():
            hint = " It is a folder: name the file in it."
        raise InputError(f"{key}: there is no SQLite file {full}.{hint}")
    return Database(kind="sqlite", name=str(full), key=key)


def _file_names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _tls_options(kind: Kind, query: str, folder: Path, key: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise InputError(
                f"{key} has the option `{redact_text(name)}`; known options are "
                f"{' and '.join(_OPTIONS)}."
            )
    modes = [mode for mode in get_args(TlsMode) if kind == "postgresql" or mode != "prefer"]
    mode = options.setdefault("sslmode", "prefer" if kind == "postgresql" else "disable")
    certificate = options.get("sslrootcert")
    if mode not in modes:
        raise InputError(
            f"{key}: sslmode must be one of {', '.join(modes)}, got {mode}. The "
            "streaming driver does not compare the host with the certificate's names, so "
            "`verify-full` cannot be kept; `verify-ca` with sslrootcert accepts only servers of "
            "that authority."
        )
    if (mode == "verify-ca") != (certificate is not None):
        raise InputError(
            f"{key}: sslmode=verify-ca and sslrootcert=PATH go together, got sslmode={mode}"
            + (f" and sslrootcert={certificate}." if certificate else " without sslrootcert.")
        )
    if certificate is not None:
        path = (folder / certificate).absolute()
        if not path.is_file():
            raise InputError(f"{key}: there is no file {path}, which sslrootcert names.")
        options["sslrootcert"] = str(path)
    return options
