"""Sources of a database's password, which is never a part of a URL or a config."""

import configparser
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from common.errors import InputError
from common.guards.redaction import learn_secrets
from pipeline.reading.sql.database import Database


def find_password(database: Database, environ: Mapping[str, str]) -> str | None:
    """Returns the password of a database's account, or None if nothing names one.

    The first of these that has one decides: the variable `database.password_env`; for PostgreSQL
    `PGPASSWORD`, then the file that `PGPASSFILE` names, else `~/.pgpass`; for MariaDB the section
    `client` of `~/.my.cnf`. From then on logs and messages hide the password.

    Args:
        database: The database.
        environ: Environment variables.

    Raises:
        InputError: A password file can be read by other accounts.
    """
    if database.kind == "sqlite":
        return None
    password = environ.get(database.password_env)
    if password is None and database.kind == "postgresql":
        password = environ.get("PGPASSWORD")
        if password is None:
            password = _from_pgpass(database, environ)
    elif password is None:
        password = _from_option_file(environ)
    if password:
        learn_secrets([f"password={password}"])
    return password


def _from_pgpass(database: Database, environ: Mapping[str, str]) -> str | None:
    """Returns the password of the first line `host:port:database:user:password` that fits."""
    path = Path(environ.get("PGPASSFILE") or _home(environ) / ".pgpass")
    text = _read_private(path)
    wanted = (database.host, str(database.port), database.name, database.user)
    for line in (text or "").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        fields = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", line, maxsplit=4)]
        fits = (field in ("*", value) for field, value in zip(fields, wanted, strict=False))
        if len(fields) == 5 and all(fits):
            return fields[4]
    return None


def _from_option_file(environ: Mapping[str, str]) -> str | None:
    path = _home(environ) / ".my.cnf"
    text = _read_private(path)
    if text is None:
        return None
    options = configparser.ConfigParser(
        allow_no_value=True, strict=False, interpolation=None, comment_prefixes=("#", ";", "!")
    )
    try:
        options.read_string(text)
    except configparser.Error as error:
        # The error's own text shows lines of the file.
        raise InputError(f"{path} is not a readable option file of MariaDB.") from error
    value = options.get("client", "password", fallback=None)
    return value if value is None else value.strip("'\"")


def _read_private(path: Path) -> str | None:
    """Returns the text of a password file, or None if there is none.

    Raises:
        InputError: Other accounts may read it; the servers' own programs refuse it, too.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"The password file {path} cannot be read: {error.strerror}.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            f"Other accounts may read the password file {path}. Allow its owner only: "
            f"chmod 600 {path}"
        )
    return text


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
