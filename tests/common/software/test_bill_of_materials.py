import json
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.errors import InputError
from common.software import bill_of_materials
from common.software.bill_of_materials import BILL_FILE, LOCK_FILE, make_bill, write_bill
from common.software.lock_file import read_lock, read_names, runtime_pins

ONE, TWO = "1" * 64, "2" * 64
LOCK = f"""\
click=={version("click")} \\
    --hash=sha256:{TWO} \\
    --hash=sha256:{ONE}
    # via faultline (pyproject.toml)
h11==0.0.1 \\
    --hash=sha256:{ONE}
    # via
    #   click
    #   faultline (pyproject.toml:dev)
only-elsewhere==3.0 ; sys_platform == 'win32' \\
    --hash=sha256:{ONE}
    # via click
only-tests==4.0 \\
    --hash=sha256:{ONE}
    # via faultline (pyproject.toml:dev)
"""


@pytest.fixture
def lock(tmp_path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


@pytest.fixture(scope="module")
def whole() -> str:
    """The bill of the project itself."""
    return make_bill()


def _parts(bill: str) -> dict[str, dict]:
    return {part["name"]: part for part in json.loads(bill)["components"]}


def test_each_package_that_runs_need_here_has_version_hashes_and_purl(lock):
    parts = _parts(make_bill(lock))
    assert parts.keys() == {"click", "h11"}
    assert parts["click"]["purl"] == f"pkg:pypi/click@{version('click')}"
    assert parts["click"]["version"] == version("click")
    assert parts["click"]["hashes"] == [
        {"alg": "SHA-256", "content": ONE},
        {"alg": "SHA-256", "content": TWO},
    ]


def test_a_version_that_the_lock_file_does_not_pin_is_told_as_it_is_installed(lock):
    parts = _parts(make_bill(lock))
    assert parts["click"]["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert parts["h11"]["version"] == version("h11")
    assert parts["h11"]["purl"] == f"pkg:pypi/h11@{version('h11')}"
    assert parts["h11"]["licenses"] == [{"license": {"id": "MIT"}}]
    note = {"name": "faultline:lock_file", "value": "The lock file pins 0.0.1."}
    assert parts["h11"]["properties"] == [note]
    assert "hashes" not in parts["h11"]  # those of the lock file are of 0.0.1


def test_of_the_lock_file_of_an_image_the_pins_are_told(lock):
    part = _parts(make_bill(lock, whole=True))["h11"]
    assert part["version"] == "0.0.1"
    assert part["hashes"] == [{"alg": "SHA-256", "content": ONE}]
    assert "licenses" not in part  # of another version than the installed one


def test_dependencies_are_those_of_the_lock_file(lock):
    needs = {
        entry["ref"]: entry.get("dependsOn", [])
        for entry in json.loads(make_bill(lock))["dependencies"]
    }
    click, h11 = (f"pkg:pypi/{name}@{version(name)}" for name in ("click", "h11"))
    assert needs == {"faultline": [click], click: [h11], h11: []}


def test_equal_lock_files_give_equal_bytes_and_others_another_serial_number(lock, tmp_path):
    first = make_bill(lock)
    time.sleep(0.01)
    copy = tmp_path / "copy.lock"
    copy.write_text(LOCK)
    assert make_bill(copy) == first
    copy.write_text(LOCK.replace(TWO, "3" * 64))
    serials = {json.loads(bill)["serialNumber"] for bill in (first, make_bill(copy))}
    assert len(serials) == 2
    assert "timestamp" not in first


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"License-Expression": "MIT OR ISC", "License": "MIT"}, ["MIT OR ISC"]),
        ({"License": "Apache 2.0"}, ["Apache 2.0"]),
        (
            {"License": "The text\nof a licence", "Classifier": "License :: OSI Approved :: MIT"},
            ["MIT"],
        ),
        ({"License": "UNKNOWN"}, []),
        ({"Classifier": "License :: OSI Approved"}, []),
        ({}, []),
    ],
)
def test_the_most_exact_name_of_a_licence_is_taken(fields, names):
    from email.message import Message

    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    assert bill_of_materials._declared(metadata) == names


def test_the_projects_own_bill_is_valid_and_complete(whole):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(whole) is None
    parts = _parts(whole)
    pinned = {pin.name for pin in runtime_pins(read_lock(LOCK_FILE)) if not pin.marker}
    assert pinned <= parts.keys()
    assert {"tfx", "tensorflow", "xgboost-cpu"} <= pinned
    assert "pytest" not in parts
    assert all(part["hashes"] for part in parts.values())
    licensed = [name for name, part in parts.items() if part.get("licenses")]
    assert len(licensed) > 0.95 * len(parts)


def test_no_address_of_an_index_is_in_it(whole):
    without_purls = re.sub(r"pkg:pypi/", "", whole)
    assert [word for word in ("://", "pypi", "simple/") if word in _urls(without_purls)] == []


def _urls(bill: str) -> str:
    """The bill without the address of its schema."""
    return bill.replace("http://cyclonedx.org/schema/bom-1.6.schema.json", "")


def test_of_the_lock_file_of_an_image_all_packages_are_listed_once(lock):
    assert _parts(make_bill(lock, whole=True)).keys() == {"click", "h11", "only-tests"}
    lock.write_text(LOCK + LOCK)
    assert _parts(make_bill(lock, whole=True)).keys() == {"click", "h11", "only-tests"}


def test_what_an_image_installs_for_signatures_is_all_that_they_need():
    """model-signing and pyopenssl, and what the lock file says that they need."""
    pins = {pin.name: pin for pin in read_lock(LOCK_FILE)}
    needed = {"model-signing", "pyopenssl"}
    while more := {n for n, pin in pins.items() if pin.required_by & needed} - needed:
        needed |= more
    here = {name for name in needed if bill_of_materials._is_for_this_python(pins[name])}
    assert set(read_names(LOCK_FILE.parent / "serving" / "deploy" / "signing.txt")) == here


def test_what_the_serving_image_needs_to_write_its_bill_is_all_that_the_library_needs():
    pins = {pin.name: pin for pin in read_lock(LOCK_FILE)}
    needed = {"cyclonedx-python-lib", "packaging"}
    while more := {n for n, pin in pins.items() if pin.required_by & needed} - needed:
        needed |= more
    assert set(read_names(LOCK_FILE.parent / "serving" / "deploy" / "bill.txt")) == needed


def test_where_only_the_sources_are_the_version_is_that_of_the_project_file(monkeypatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    installed = version("faultline")
    monkeypatch.setattr("importlib.metadata.version", missing)
    assert bill_of_materials._project_version() == installed


def test_a_model_carries_the_bill(lock, tmp_path):
    assert write_bill(tmp_path / "model", lock)
    assert (tmp_path / "model" / BILL_FILE).read_text() == make_bill(lock)


def test_without_a_lock_file_a_model_carries_none_and_the_command_says_why(tmp_path):
    missing = tmp_path / "requirements.lock"
    assert not write_bill(tmp_path / "model", missing)
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputError, match=r"cannot be read: No such file.*make lock"):
        make_bill(missing)


def test_a_lock_file_that_cannot_be_understood_is_an_error(lock):
    lock.write_text("click>=8\n")
    with pytest.raises(InputError, match="expected NAME==VERSION"):
        make_bill(lock)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no package"),
        (b"# written by hand\n", "names no package"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_a_lock_file_without_packages_or_text_makes_no_bill(lock, content, message):
    lock.write_bytes(content)
    with pytest.raises(InputError, match=rf"requirements\.lock {message}.*make lock"):
        make_bill(lock, whole=True)


def test_the_command_writes_a_file(tmp_path, whole):
    path = tmp_path / "sbom.json"
    done = CliRunner().invoke(main, ["sbom", "--output-file", str(path)])
    assert done.exit_code == 0, done.output
    assert path.read_text() == whole
    done = CliRunner().invoke(main, ["sbom", "--output-file", str(tmp_path / "none" / "x.json")])
    assert done.exit_code == 2
    assert "cannot be written: No such file or directory" in done.output
