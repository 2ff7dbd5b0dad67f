import pytest

from common.errors import InputError
from engines.java import check_programs, class_path


def test_without_java_and_maven_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InputError, match=r"Not found on the path: java, mvn.*apt-get install"):
        check_programs()


def fake_programs(folder, mvn):
    """Java that does nothing and a Maven that runs `mvn`; returns the folder for PATH."""
    folder.mkdir()
    for name, script in {"java": "exit 0", "mvn": mvn}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_maven_is_asked_once_for_a_pom(monkeypatch, tmp_path):
    jar, calls = tmp_path / "a.jar", tmp_path / "calls"
    jar.touch()
    mvn = f"""echo call >> {calls}
        for a; do case $a in -Dmdep.outputFile=*) printf {jar} > "${{a#*=}}";; esac; done"""
    monkeypatch.setenv("PATH", fake_programs(tmp_path / "bin", mvn))
    pom = tmp_path / "pom.xml"
    pom.write_text("<project/>")

    assert class_path(pom, kept=tmp_path / "kept") == str(jar)
    assert class_path(pom, kept=tmp_path / "kept") == str(jar)
    assert calls.read_text() == "call\n"

    # Another pom, or a jar that is gone, is asked for anew.
    pom.write_text("<project></project>")
    class_path(pom, kept=tmp_path / "kept")
    jar.unlink()
    class_path(pom, kept=tmp_path / "kept")
    assert calls.read_text() == "call\n" * 3


def test_what_maven_says_is_passed_on(monkeypatch, tmp_path):
    mvn = "echo '[ERROR] Could not find artifact a:b:1'; exit 1"
    monkeypatch.setenv("PATH", fake_programs(tmp_path / "bin", mvn))
    pom = tmp_path / "pom.xml"
    pom.write_text("<project/>")

    with pytest.raises(InputError, match="Could not find artifact a:b:1"):
        class_path(pom, kept=tmp_path / "kept")
