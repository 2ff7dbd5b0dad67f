"""`faultline package` on an output folder without models in it, with a fake container engine."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.guards.manifests import make_manifest
from common.output_folder import OutputFolder
from common.signing.signatures import SIGNATURE_FILE, sign_folder
from common.signing.verification import Verifier
from pipeline.components.pusher.version_folder import _write_manifest, model_digest
from production import packaging
from production.packaging import BASE_IMAGE
from production.rollback import Decision, withdraw
from tests.production.rollout.pushes import new_store, place, push
from tests.signed_versions import KeyPair, make_pair

CONFIG = """
name: wells
label: {column: failed}
data: {path: data.csv}
features: {pressure: {kind: numeric}}
"""
# Writes down its arguments and the files of the context, which may be gone afterwards.
ENGINE = """#!/bin/sh
echo "$@" >"$LOG"
for context; do :; done
(cd "$context" && find . -type f | sort) >>"$LOG"
echo "pulling the base image"
exit {code}
"""


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path / "output")
    folder.root.mkdir()
    store = new_store(folder)
    push(store, folder, 100)
    push(store, folder, 200)
    return folder


@pytest.fixture
def faultline(folder):
    def call(*arguments):
        return CliRunner().invoke(main, ["package", *arguments, "--output", str(folder.root)])

    return call


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Puts a fake engine on the path, and no real one; returns its log."""

    def install(name: str, code: int = 0) -> Path:
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / name).write_text(ENGINE.format(code=code))
        (programs / name).chmod(0o755)
        for tool in ("find", "sort"):
            (programs / tool).symlink_to(f"/usr/bin/{tool}")
        monkeypatch.setenv("PATH", str(programs))
        monkeypatch.setenv("LOG", str(tmp_path / "engine.log"))
        return tmp_path / "engine.log"

    return install


def test_a_build_context_has_the_model_and_a_dockerfile(faultline, folder, tmp_path):
    source = folder.serving("wells") / "100"
    (source / "saved_model.pb").chmod(0o600)
    done = faultline("wells/100", "-o", str(tmp_path / "context"), "--json")
    assert done.exit_code == 0, done.output
    copy = tmp_path / "context" / "models" / "wells" / "100"
    digest = model_digest(source)
    assert json.loads(done.stdout) == {
        "version": "wells/100",
        "verdict": "BLESSED",
        "digest": digest,
        "folder": str(tmp_path / "context"),
        "image": None,
    }
    assert model_digest(copy) == digest
    # The server of the image runs as another user.
    assert stat.S_IMODE((copy / "saved_model.pb").stat().st_mode) == 0o644
    assert stat.S_IMODE(copy.stat().st_mode) == 0o755
    lines = (tmp_path / "context" / "Dockerfile").read_text().splitlines()
    assert f"FROM {BASE_IMAGE}" in lines
    assert "COPY models /models" in lines
    assert f'      faultline.digest="sha256:{digest}"' in lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context", "output"]


def test_a_name_alone_is_the_version_that_is_served(faultline, tmp_path):
    assert faultline("wells", "-o", str(tmp_path / "context")).exit_code == 0
    assert [path.name for path in (tmp_path / "context/models/wells").iterdir()] == ["200"]


def test_an_image_is_built_by_the_engine_on_the_path(faultline, tmp_path, engine):
    log = engine("podman")
    done = faultline("wells/100", "-t", "registry.example/wells:100", "--base", "server:2")
    assert done.exit_code == 0, done.output
    assert "Image: registry.example/wells:100, built by podman" in done.output
    arguments, *files = log.read_text().splitlines()
    assert arguments.startswith("build -t registry.example/wells:100 ")
    assert files == ["./Dockerfile", "./models/wells/100/saved_model.pb"]
    # Without -o, the context is a temporary folder.
    assert not Path(arguments.split()[-1]).exists()


def test_an_engine_that_fails_is_an_error_with_its_words(faultline, engine):
    engine("docker", code=3)
    done = faultline("wells/100", "-t", "wells")
    assert done.exit_code == 1
    assert "docker build failed with exit code 3:\npulling the base image" in done.output


def test_the_engine_may_be_chosen(faultline, tmp_path, engine):
    engine("docker", code=3)
    buildah = tmp_path / "programs" / "buildah"
    buildah.write_text(ENGINE.format(code=0))
    buildah.chmod(0o755)
    done = faultline("wells/100", "-t", "wells", "--engine", "buildah")
    assert done.exit_code == 0, done.output
    assert "Image: wells, built by buildah" in done.output
    done = faultline("wells/100", "-t", "wells", "--engine", "podman")
    assert done.exit_code == 2
    assert "No container engine is on the path: podman." in done.output


def test_without_an_engine_a_context_is_offered(faultline, engine, tmp_path):
    engine("nothing")
    done = faultline("wells/100", "-t", "wells", "-o", str(tmp_path / "context"))
    assert done.exit_code == 2
    assert "No container engine is on the path: docker, podman, buildah." in done.output
    assert not (tmp_path / "context").exists()


def test_one_has_to_say_what_to_make(faultline):
    done = faultline("wells/100")
    assert done.exit_code == 2
    assert "-o DIR for a build context, -t IMAGE for an image, or both" in done.output


@pytest.mark.parametrize(("option", "name"), [("-t", "a b"), ("--base", "$HOME/x"), ("-t", "")])
def test_a_name_that_is_no_image_is_refused(faultline, tmp_path, engine, option, name):
    engine("docker")
    done = faultline("wells/100", option, name, "-o", str(tmp_path / "context"))
    assert done.exit_code == 2
    assert "is not the name of an image" in done.output
    assert not (tmp_path / "context").exists()


@pytest.mark.parametrize("verdict", ["REJECTED", "INCONCLUSIVE"])
def test_a_version_that_the_gate_did_not_bless_is_refused(faultline, folder, tmp_path, verdict):
    push(new_store(folder), folder, 300, verdict=verdict)
    done = faultline("wells/300", "-o", str(tmp_path / "context"))
    assert done.exit_code == 2
    assert f"The gate's verdict on wells/300 is {verdict}; only a BLESSED" in done.output
    assert not (tmp_path / "context").exists()


def test_a_shadow_model_is_refused(faultline, folder, tmp_path):
    push(new_store(folder), folder, 300, base="wells_shadow", verdict="INCONCLUSIVE")
    done = faultline("wells_shadow/300", "-o", str(tmp_path / "context"))
    assert done.exit_code == 2
    assert "wells_shadow/300 is a shadow model with the verdict INCONCLUSIVE" in done.output


def test_versions_that_were_not_pushed_or_are_withdrawn_are_refused(faultline, folder, tmp_path):
    place(folder, 50)
    withdraw(new_store(folder), folder, "wells/200", Decision(by="Ada", why="false alarms"))
    context = str(tmp_path / "context")
    for reference, words in {
        "wells/50": "No run recorded the push of wells/50",
        "wells/200": "wells/200 was withdrawn",
        "wells/9": "wells has no version 9",
        "pumps/1": "No model called pumps was pushed",
    }.items():
        done = faultline(reference, "-o", context)
        assert (done.exit_code, words in done.output) == (2, True), done.output
    assert not Path(context).exists()


def test_a_folder_with_files_is_left_alone(faultline, tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "notes.txt").write_text("mine")
    done = faultline("wells/100", "-o", str(tmp_path / "context"))
    assert done.exit_code == 2
    assert "is not empty, and a build context is written whole" in done.output
    assert [path.name for path in (tmp_path / "context").iterdir()] == ["notes.txt"]


def test_a_version_with_a_link_is_refused(faultline, folder, tmp_path):
    (tmp_path / "key.pem").write_text("not for others")
    (folder.serving("wells") / "100" / "assets.key").symlink_to(tmp_path / "key.pem")
    result = faultline("wells/100", "-o", str(tmp_path / "context"))
    assert result.exit_code == 2
    assert "has a link, assets.key" in result.output
    assert not (tmp_path / "context").exists()


def _sign(version: Path, pair: KeyPair) -> None:
    draft = version.rename(version.with_name(f"wells@{version.name}"))  # what a signature names
    sign_folder(draft, pair.read())
    _write_manifest(version.parent, int(version.name), make_manifest(draft))
    draft.rename(version)


def test_what_is_packed_is_the_copy_that_was_checked(faultline, folder, tmp_path, monkeypatch):
    pair, version = make_pair(tmp_path / "keys"), folder.serving("wells") / "100"
    _sign(version, pair)
    content = (version / "saved_model.pb").read_bytes()
    (tmp_path / "trusting.yaml").write_text(CONFIG + f"signing: {{public_keys: [{pair.public}]}}\n")
    write_context = packaging.write_context

    def change_and_write(*arguments: Any, **options: Any) -> packaging.Context:
        (version / "saved_model.pb").write_text("forged")  # after the check
        return write_context(*arguments, **options)

    monkeypatch.setattr(packaging, "write_context", change_and_write)
    context = tmp_path / "context"
    done = faultline("wells/100", "-o", str(context), "--config", str(tmp_path / "trusting.yaml"))
    assert done.exit_code == 0, done.output
    packed = context / "models" / "wells" / "100"
    assert (packed / "saved_model.pb").read_bytes() == content
    Verifier([pair.public]).verify(packed)


def test_a_signature_is_checked_by_the_keys_of_the_config_and_packed(faultline, folder, tmp_path):
    pair, other = make_pair(tmp_path / "keys"), make_pair(tmp_path / "others")
    _sign(folder.serving("wells") / "100", pair)
    for name, keys in {"trusting": pair, "other": other}.items():
        signing = f"signing: {{public_keys: [{keys.public}]}}\n"
        (tmp_path / f"{name}.yaml").write_text(CONFIG + signing)
    refused = faultline(
        "wells/100", "-o", str(tmp_path / "no"), "--config", str(tmp_path / "other.yaml")
    )
    assert refused.exit_code == 2
    assert "which is not trusted" in refused.output
    assert not (tmp_path / "no").exists()
    done = faultline(
        "wells/100", "-o", str(tmp_path / "context"), "--config", str(tmp_path / "trusting.yaml")
    )
    assert done.exit_code == 0, done.output
    copy = tmp_path / "context" / "models" / "wells" / "100"
    assert (copy / SIGNATURE_FILE).is_file()
    Verifier([pair.public]).verify(copy)
