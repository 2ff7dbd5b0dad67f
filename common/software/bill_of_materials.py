"""A software bill of materials of the packages that runs need, in CycloneDX's JSON.

`python -m common.software.bill_of_materials LOCK OUTPUT` writes that of all packages of a lock
file, for the serving image, which has no `faultline sbom`.

It says what the lock file pins: equal lock files and environments give equal bytes. There is no
time and no random number in it, and no address of a package index.

References: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/; Package URL, type `pypi`.
"""

import hashlib
import importlib.metadata
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from common.errors import InputError
from common.software.lock_file import Pin, read_lock, runtime_pins

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

PROJECT_DIR = Path(__file__).resolve().parents[2]
LOCK_FILE = PROJECT_DIR / "requirements.lock"
# Where a model carries it.
BILL_FILE = "assets.extra/sbom.cdx.json"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_CLASSIFIER = "License :: "
# A longer `License` is the text of the licence, not its name.
_MAX_LICENCE_CHARS = 100


def make_bill(lock: Path = LOCK_FILE, *, whole: bool = False) -> str:
    """Returns the bill of materials of a lock file's runtime part, as JSON.

    Packages for other platforms or versions of Python are left out. Licences are those that the
    installed packages declare. Where another version is installed than the lock file pins, the bill
    has the installed one, without hashes, and says so.

    Args:
        lock: The lock file.
        whole: All packages of the lock file instead, as it pins them, such as those of an image.

    Raises:
        InputError: There is no lock file, it cannot be read, or it names no package.
    """
    try:
        # An image's list may name a package twice.
        listed = {pin.name: pin for pin in read_lock(lock)}.values()
        needed = listed if whole else runtime_pins(listed)
        pins = [pin for pin in needed if _is_for_this_python(pin)]
    except OSError as error:
        raise InputError(
            f"The lock file {lock} cannot be read: {error.strerror}. A bill of materials needs a "
            "lock file, as `make lock` writes it."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The lock file {lock} is not text in UTF-8. Write the lock file with `make lock`."
        ) from error
    except ValueError as error:
        raise InputError(str(error)) from error
    if not listed:
        raise InputError(
            f"The lock file {lock} names no package, so that the bill would be empty. "
            "Write the lock file with `make lock`."
        )
    bill = _bill({pin: pin.version if whole else _installed_version(pin) for pin in pins})
    # The serial number names the content: it comes from the text that it is then part of.
    digest = hashlib.sha256(_to_json(bill).encode()).hexdigest()
    bill.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, digest)
    return _to_json(bill)


def write_bill(model: Path, lock: Path = LOCK_FILE) -> bool:
    """Writes the bill of materials into a model, if the project has a lock file.

    Args:
        model: Folder of a SavedModel.
        lock: The lock file; without one, the model carries no bill.

    Returns:
        Whether it was written.
    """
    if not lock.is_file():
        return False
    path = model / BILL_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(make_bill(lock), encoding="utf-8")
    return True


def _bill(versions: Mapping[Pin, str]) -> "Bom":
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType

    project = Component(
        name="faultline",
        version=_project_version(),
        type=ComponentType.APPLICATION,
        bom_ref="faultline",
    )
    note = Property(
        name="faultline:hashes",
        value="The SHA-256 of each distribution file of the version that the lock file accepts.",
    )
    metadata = BomMetaData(component=project, properties=[note])
    metadata.timestamp = None  # type: ignore[assignment]  # the library's default is the present
    components = {
        canonicalize_name(pin.name): _component(pin, version) for pin, version in versions.items()
    }
    bill = Bom(serial_number=uuid.UUID(int=0), metadata=metadata, components=components.values())
    for name, needs in _dependencies(versions).items():
        bill.register_dependency(
            project if name is None else components[name],
            [components[need] for need in sorted(needs)],
        )
    return bill


def _component(pin: Pin, version: str) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    name = canonicalize_name(pin.name)
    purl = PackageURL(type="pypi", name=name, version=version)
    is_pinned = version == pin.version
    note = Property(name="faultline:lock_file", value=f"The lock file pins {pin.version}.")
    return Component(
        name=pin.name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=content)
            for content in (_HASH.findall(pin.text) if is_pinned else ())
        ],
        licenses=_licences(pin.name, version),
        properties=[] if is_pinned else [note],
    )


def _project_version() -> str:
    """Returns the project's version; where only its sources are, that of pyproject.toml."""
    try:
        return importlib.metadata.version("faultline")
    except importlib.metadata.PackageNotFoundError:
        text = (PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def _installed_version(pin: Pin) -> str:
    """Returns the version that is installed here; that of the lock file if none is."""
    try:
        return importlib.metadata.version(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return pin.version


def _licences(name: str, version: str) -> list[Any]:
    """Returns the licences that a package declares; none if this version is not installed."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if installed.version != version:
        return []
    factory = LicenseFactory()
    return [factory.make_from_string(text) for text in _declared(installed.metadata)]


def _declared(metadata: Any) -> list[str]:
    """Returns the names of the licences in a package's metadata, the most exact source first."""
    expression = metadata.get("License-Expression")
    if expression:
        return [expression]
    name = (metadata.get("License") or "").strip()
    if name and name.upper() != "UNKNOWN" and "\n" not in name and len(name) <= _MAX_LICENCE_CHARS:
        return [name]
    classifiers = metadata.get_all("Classifier") or []
    names = {c.rpartition(" :: ")[2] for c in classifiers if c.startswith(_CLASSIFIER)}
    return sorted(names - {"OSI Approved"})


def _dependencies(pins: Iterable[Pin]) -> dict[NormalizedName | None, set[NormalizedName]]:
    """Returns the names of the packages that each one needs; those of the project under None."""
    pins = list(pins)
    names = {canonicalize_name(pin.name) for pin in pins}
    needs: dict[NormalizedName | None, set[NormalizedName]] = {None: set()}
    for pin in pins:
        name = canonicalize_name(pin.name)
        if pin.is_direct:
            needs[None].add(name)
        for asker in map(canonicalize_name, pin.required_by):
            if asker in names:
                needs.setdefault(asker, set()).add(name)
    return needs


def _is_for_this_python(pin: Pin) -> bool:
    return not pin.marker or Marker(pin.marker).evaluate()


def _to_json(bill: "Bom") -> str:
    from cyclonedx.output.json import JsonV1Dot6

    return str(JsonV1Dot6(bill).output_as_string()) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(make_bill(Path(sys.argv[1]), whole=True), encoding="utf-8")
