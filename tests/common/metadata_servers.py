"""Real MariaDB and PostgreSQL servers for tests: own data folder, loopback only, free port.

Debian and Ubuntu: `apt-get install --no-install-recommends mariadb-server postgresql`.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 60.0
USER = "faultline"
DATABASE = "runs"


@dataclass(frozen=True, kw_only=True)
class MetadataServer:
    """A running server with one user, who owns the database `runs`.

    Attributes:
        scheme: `mysql` or `postgresql`.
        port: Port on 127.0.0.1.
        password: The user's password.
    """

    scheme: str
    port: int
    password: str

    def url(self, *, database: str = DATABASE, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{USER}@{host}:{self.port}/{database}"


def find_program(name: str) -> str | None:
    """Returns where a server's program is; Debian keeps PostgreSQL's outside PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mariadb_server(folder: Path) -> Iterator[MetadataServer]:
    server = MetadataServer(scheme="mysql", port=free_port(), password=secrets.token_hex(8))
    data, control = folder / "data", folder / "control.sock"
    as_user = _as_unprivileged("mysql", folder)
    start = folder / "init.sql"
    start.write_text(
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'%';\n"
        f"GRANT SUPER ON *.* TO '{USER}'@'%';\n",  # so that a test may set global variables
        encoding="utf-8",
    )
    # Not /tmp: a server that starts removes the temporary tables of every server beside it.
    temporary = folder / "temporary"
    _run([*as_user, "mkdir", str(temporary)], folder)
    options = ["--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}"]
    _run([*as_user, "mariadb-install-db", *options], folder)
    command = [
        *as_user,
        _needed("mariadbd"),
        *options,
        f"--socket={control}",
        f"--pid-file={folder / 'server.pid'}",
        f"--port={server.port}",
        f"--init-file={start}",
        "--bind-address=127.0.0.1",
        # Else 127.0.0.1 becomes localhost, and the anonymous user of localhost comes first.
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    with _running(command, folder, server.port):
        yield server


@contextmanager
def postgres_server(folder: Path) -> Iterator[MetadataServer]:
    server = MetadataServer(scheme="postgresql", port=free_port(), password=secrets.token_hex(8))
    data = folder / "data"
    as_user = _as_unprivileged("postgres", folder)
    (folder / "password").write_text(server.password, encoding="utf-8")
    initdb = [_needed("initdb"), f"--pgdata={data}", f"--username={USER}", "--auth=scram-sha-256"]
    _run([*as_user, *initdb, f"--pwfile={folder / 'password'}", "--no-sync"], folder)
    command = [
        *as_user,
        _needed("postgres"),
        "-D",
        str(data),
        *("-p", str(server.port), "-k", str(folder), "-h", "127.0.0.1", "-F"),
    ]
    with _running(command, folder, server.port, stop_signal=signal.SIGINT):
        environment = os.environ | {"PGPASSWORD": server.password}
        create = [_needed("createdb"), "-h", "127.0.0.1", "-p", str(server.port), "-U", USER]
        _run([*create, DATABASE], folder, environment=environment)
        yield server


def _needed(program: str) -> str:
    found = find_program(program)
    if found is None:
        raise FileNotFoundError(program)
    return found


def _as_unprivileged(account: str, folder: Path) -> list[str]:
    """Both servers refuse to run as root: hand the folder to the package's own account."""
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam(account)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    # A test run that is killed takes its servers along.
    drop = [f"--reuid={account}", f"--regid={account}", "--clear-groups"]
    return ["setpriv", *drop, "--pdeathsig=TERM"]


def _run(
    command: Sequence[str], folder: Path, *, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")


@contextmanager
def _running(
    command: Sequence[str], folder: Path, port: int, *, stop_signal: int = signal.SIGTERM
) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        _wait_until_it_answers(process, port, log)
        yield
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')}")
