"""The project's own files that a module's result depends on: its imports, followed to the end."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

# An import statement, also inside a function; the names of a `from` import may span lines. A line
# of a docstring that reads like one only adds a file.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<source>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#]+)"
    r"|import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w.]+")


def import_closure(
    roots: Iterable[str], project_dir: Path, *, stop_at: Collection[str] = ()
) -> frozenset[Path]:
    """Returns every file of the project that importing `roots` can bring in.

    Imports inside functions and under `TYPE_CHECKING` count. Packages' `__init__.py` count, and so
    do the page templates (`templates/*.j2`) beside a module. An import by a computed name does not
    show: name such a module as a root.

    Args:
        roots: Dotted names of modules or packages; a package stands for its `__init__.py` only.
        project_dir: The folder that the top-level packages are in.
        stop_at: Dotted names of modules that neither count nor are followed.

    Raises:
        FileNotFoundError: A root is not a module of the project.
    """
    files: set[Path] = set()
    waiting = list(roots)
    for name in waiting:
        if _module_file(name, project_dir) is None:
            raise FileNotFoundError(f"No module {name} in {project_dir}")
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name in stop_at:
            continue
        seen.add(name)
        file = _module_file(name, project_dir)
        if file is None:
            continue  # a library, or a name inside a module
        files.add(file)
        files.update((file.parent / "templates").glob("*.j2"))
        waiting += _imports(file.read_text(encoding="utf-8"))
        waiting += _parents(name)
    return frozenset(files)


def _module_file(name: str, project_dir: Path) -> Path | None:
    place = project_dir.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=1_000)  # the steps share most of their files
def _imports(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for match in _IMPORT.finditer(text):
        if match["modules"]:
            names += (part.split()[0] for part in match["modules"].split(",") if part.split())
            continue
        names.append(match["source"])
        # `from package import module` names a module; `from module import name` does not.
        for part in match["names"].strip("()").split(","):
            if word := _NAME.match(part.strip()):
                names.append(f"{match['source']}.{word[0]}")
    return tuple(names)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
