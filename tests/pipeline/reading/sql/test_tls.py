"""TLS to a real PostgreSQL, for both of its drivers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.database import parse_url
from pipeline.reading.sql.streams import stream_batches
from tests.pipeline.reading.sql.servers import DatabaseServer

pytestmark = pytest.mark.e2e

_OWN = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, and its key beside it."""
    file = folder / f"{name}.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    request += ["-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(file)]
    subprocess.run(request, check=True, capture_output=True)
    return file


def set_tls(server: DatabaseServer, value: str) -> None:
    connection = connect(server.database, server.environ, read_only=False)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"ALTER SYSTEM SET ssl = {value}")
    cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    for _ in range(1_000):  # the server's main process reloads on its own
        if server.execute("SHOW ssl") == [[value]]:
            return
    raise AssertionError(f"The server does not switch TLS {value}.")


@pytest.fixture
def tls(postgresql: DatabaseServer, tmp_path: Path) -> Iterator[DatabaseServer]:
    """The server with TLS; its certificate is in `plant.pem`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    certificate = make_certificate(tmp_path, "plant")
    [[folder]] = postgresql.execute("SHOW data_directory")
    owner = Path(folder).stat()
    for source, name in ((certificate, "server.crt"), (tmp_path / "plant.key", "server.key")):
        target = Path(shutil.copy(source, Path(folder) / name))
        target.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(target, owner.st_uid, owner.st_gid)
    set_tls(postgresql, "on")
    yield postgresql
    set_tls(postgresql, "off")


def is_encrypted(server: DatabaseServer, options: str) -> list[bool]:
    """Whether each of the two drivers speaks TLS."""
    database = parse_url(f"{server.url}?{options}")
    connection = connect(database, server.environ)
    cursor = connection.cursor()
    cursor.execute(_OWN)
    [answer] = cursor.fetchone()
    connection.close()
    [batch] = stream_batches(database, _OWN, environ=server.environ)
    return [answer, batch.column(0)[0].as_py()]


def test_both_drivers_keep_the_mode(tls, tmp_path):
    assert is_encrypted(tls, "sslmode=disable") == [False, False]
    assert is_encrypted(tls, "sslmode=prefer") == [True, True]
    assert is_encrypted(tls, "sslmode=require") == [True, True]
    trusted = f"sslmode=verify-ca&sslrootcert={tmp_path / 'plant.pem'}"
    assert is_encrypted(tls, trusted) == [True, True]


def test_a_certificate_of_another_authority_is_refused(tls, tmp_path):
    other = make_certificate(tmp_path, "other")
    database = parse_url(f"{tls.url}?sslmode=verify-ca&sslrootcert={other}")
    with pytest.raises(InputError, match="certificate verify failed"):
        connect(database, tls.environ)


def test_a_server_without_tls_is_refused_where_it_is_required(postgresql):
    with pytest.raises(InputError, match="Server refuses SSL"):
        connect(parse_url(f"{postgresql.url}?sslmode=require"), postgresql.environ)
