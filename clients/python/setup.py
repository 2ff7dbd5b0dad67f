"""Writes `src/faultline_client` from the sources of `serving.client`, then builds it.

The package has another name here, since `serving` is too common for the top of an environment: the
names in its imports are replaced. A source distribution holds the package as it was written.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup

SOURCES, PACKAGE = Path("../../serving"), Path("src/faultline_client")
NAMES = {
    "serving.client": "faultline_client",
    "serving.headers": "faultline_client.headers",
}


def write_package() -> None:
    """Writes the package anew, except in a source distribution, which has it already."""
    if not SOURCES.is_dir() and PACKAGE.is_dir():
        return
    for earlier in (PACKAGE, Path("build")):
        shutil.rmtree(earlier, ignore_errors=True)
    shutil.copytree(SOURCES / "client", PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(SOURCES / "headers.py", PACKAGE)
    for path in PACKAGE.rglob("*.py"):
        path.write_text(renamed(path.read_text(encoding="utf-8"), path.name), encoding="utf-8")


def renamed(text: str, name: str) -> str:
    """Returns a source with the names of the installed package.

    Raises:
        SystemExit: It imports another module of `serving`, which the package does not have.
    """
    for old, new in NAMES.items():
        text = re.sub(rf"(?<![\w.]){re.escape(old)}\b", new, text)
    if other := re.search(r"^\s*(?:from|import) (serving\b\S*)", text, flags=re.MULTILINE):
        raise SystemExit(
            f"{name} imports {other[1]}, which the client does not have; expected "
            f"{' and '.join(NAMES)} only. Move what it needs into serving/client."
        )
    return text


write_package()
setup()
