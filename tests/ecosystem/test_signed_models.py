"""A use case with keys, by the commands alone: signed pushes, a new key, a server that refuses."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.processes import free_ports, wait_until
from common.signing.keys import read_public_key
from common.signing.signatures import SIGNATURE_FILE
from common.software.bill_of_materials import BILL_FILE
from tests.e2e.harness import CONFIG, PROJECT, Done, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.ecosystem
pytest.importorskip("model_signing", reason="model-signing is not installed: make setup")

_PHRASE = "correct-horse-battery"
_SIGNING = """\
signing:
  private_key: keys/{name}.pem
  passphrase: $MODEL_KEY_PASSPHRASE
  public_keys: [keys/{name}.pub]
"""


def _make_keys(folder: Path, name: str) -> None:
    """Makes a pair of keys as docs/signed_models.md says."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    make = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc"
    make += f" -out {private} -pass env:MODEL_KEY_PASSPHRASE"
    subprocess.run(make.split(), check=True, capture_output=True)
    extract = f"openssl pkey -in {private} -passin env:MODEL_KEY_PASSPHRASE -pubout -out {public}"
    subprocess.run(extract.split(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_KEY_PASSPHRASE", _PHRASE)
        yield


@pytest.fixture(scope="module")
def faultline(tmp_path_factory, environment) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("signed") / "work")
    for name in ("old", "new"):
        _make_keys(faultline.cwd / "keys", name)
    return faultline


@pytest.fixture(scope="module")
def runs(faultline) -> list[tuple[Done, str]]:
    """Three runs with the newest version after each: the first, the same, one with a new key."""
    done = []
    for name in ("old", "old", "new"):
        write_wells(faultline.cwd, wells_csv(), CONFIG + _SIGNING.format(name=name))
        done.append((faultline("run", "--config", "wells.yaml"), faultline.versions()[-1].name))
    return done


def _fingerprint(faultline: Faultline, name: str) -> str:
    return read_public_key(faultline.cwd / "keys" / f"{name}.pub")


def _is_accepted(faultline: Faultline, version: Path, name: str) -> bool:
    """Whether OpenSSF's own program accepts a version by a key."""
    program = Path(sys.executable).with_name("model_signing")
    command = [program, "verify", "key", version, "--signature", version / SIGNATURE_FILE]
    command += ["--public_key", faultline.cwd / "keys" / f"{name}.pub", "--no-ignore-git-paths"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_version_is_signed_and_the_same_model_is_not_pushed_again(runs, faultline):
    (first, version), (second, same), _ = runs
    assert (first.code, second.code) == (0, 0), first.err + faultline.last_log()
    assert f"signed by key {_fingerprint(faultline, 'old')[:12]}" in first.out
    assert same == version
    folder = faultline.output / "serving" / "wells" / version
    assert _is_accepted(faultline, folder, "old")
    assert not _is_accepted(faultline, folder, "new")


def test_a_new_key_signs_the_same_model_as_a_new_version(runs, faultline):
    (_, old), _, (third, new) = runs
    assert third.code == 0, third.err
    assert int(new) > int(old)
    folder = faultline.output / "serving" / "wells" / new
    assert _is_accepted(faultline, folder, "new")
    ran = [line.split()[1] for line in third.out.splitlines() if " ran " in line]
    assert "Pusher" in ran
    assert "Trainer" not in ran


def test_lineage_names_key_and_signature(runs, faultline):
    lineage = json.loads(faultline("lineage", "latest", "--json").out)
    assert lineage["signer"] == _fingerprint(faultline, "new")
    assert len(lineage["signature_digest"]) == 64
    text = faultline("lineage", "latest").out
    assert f"key {_fingerprint(faultline, 'new')[:12]}, signature " in text


def test_the_pass_phrase_is_in_nothing_that_was_printed_or_written(runs, faultline):
    assert [done for done, _ in runs if _PHRASE in done.out + done.err] == []
    files = [path for path in faultline.output.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [path for path in files if _PHRASE.encode() in path.read_bytes()] == []


def test_the_model_carries_a_valid_bill_of_materials(runs, faultline):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bill = (faultline.versions()[-1] / BILL_FILE).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert bill == faultline("sbom").out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda keys: (keys / "new.pem").chmod(0o644), "has mode 0644"),
        (lambda keys: (keys / "new.pem").unlink(), "cannot be read: No such file"),
        (lambda keys: shutil.copy(keys / "old.pub", keys / "new.pub"), "Nobody would accept"),
    ],
)
def test_a_key_that_cannot_sign_ends_the_run_before_it_starts(runs, faultline, change, message):
    keys = faultline.cwd / "keys"
    kept = {path: (path.read_bytes(), path.stat().st_mode) for path in keys.iterdir()}
    before = sorted((faultline.output / "runs").iterdir())
    change(keys)
    try:
        done = faultline("run", "--config", "wells.yaml")
    finally:
        for path, (content, mode) in kept.items():
            path.write_bytes(content)
            path.chmod(mode)
    assert (done.code, message in done.err) == (2, True), done.err
    assert "Traceback" not in done.err
    assert sorted((faultline.output / "runs").iterdir()) == before


def _status(port: int) -> dict[str, Any]:
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/models/wells").json()
    return {entry["version"]: entry for entry in answer.get("model_version_status", [])}


def _state(port: int, version: Path) -> str | None:
    return _status(port).get(version.name, {}).get("state")


def _predict(port: int) -> httpx.Response:
    row = {"pressure": 200.0, "temperature": 350.0, "maker": "a"}
    url = f"http://127.0.0.1:{port}/v1/models/wells:predict"
    return httpx.post(url, json={"instances": [row]})


def test_a_server_refuses_a_changed_version_and_goes_on_with_the_old_one(runs, faultline):
    newest = faultline.versions()[-1]
    [grpc_port, port] = free_ports(2)
    flags = (f"--port={grpc_port}", f"--rest_api_port={port}")
    process = faultline.start("serve", "--config", "wells.yaml", "--", *flags)
    forged = newest.with_name(str(int(newest.name) + 1))
    try:
        assert wait_until(process, lambda: _answers(port), timeout_s=120)
        answer = _predict(port).json()
        shutil.copytree(newest, forged.with_name(".forged"))
        weights = next(forged.with_name(".forged").glob("variables/*data*"))
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        forged.with_name(".forged").rename(forged)
        assert wait_until(process, lambda: _state(port, forged) == "END", timeout_s=60)
        error = _status(port)[forged.name]["status"]["error_message"]
        assert f"is that of wells@{newest.name}, not of wells@{forged.name}" in error
        assert _status(port)[newest.name]["state"] == "AVAILABLE"
        assert _predict(port).json() == answer
    finally:
        process.terminate()
        process.communicate(timeout=60)
        shutil.rmtree(forged, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        return _predict(port).status_code == 200
    except httpx.TransportError:
        return False


def test_the_batch_predicts_by_a_signed_version_and_not_by_a_changed_one(runs, faultline):
    data = ("predict", "wells.csv", "--config", "wells.yaml", "--batch", "--output-file")
    done = faultline(*data, "predictions")
    assert done.code == 0, done.err
    graph = faultline.versions()[-1] / "saved_model.pb"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = faultline(*data, "more")
    finally:
        graph.write_bytes(content)
    assert done.code == 2
    assert "the content of saved_model.pb changed" in done.err
    assert not (faultline.cwd / "more").exists()
