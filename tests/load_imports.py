"""The packages that a test file imports when it is loaded, read from the sources alone."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def external_packages(path: Path) -> frozenset[str]:
    """Returns the top-level packages outside the project that loading a file imports.

    Imports inside functions do not count: they run when the function is called.
    """
    visited, pending = {str(path)}, [str(path)]
    packages: set[str] = set()
    while pending:
        for name in _loaded_names(pending.pop()):
            files = _project_files(name)
            pending.extend(files - visited)
            visited |= files
            if not files:
                packages.add(name.partition(".")[0])
    return frozenset(packages)


# Files as text: paths would be compared part by part, hundreds of thousands of times.
@cache
def _loaded_names(file: str) -> frozenset[str]:
    return frozenset(_names(ast.parse(Path(file).read_bytes())))


def _names(tree: ast.AST) -> Iterator[str]:
    """Yields the dotted name of everything that executing a syntax tree imports."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.expr():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case _:
                yield from _names(node)


@cache
def _project_files(name: str) -> frozenset[str]:
    """The project's files that importing a dotted name executes, its packages included."""
    package = name.rpartition(".")[0]
    place = f"{PROJECT}/{name.replace('.', '/')}"
    places = (f"{place}/__init__.py", f"{place}.py")
    files = frozenset(file for file in places if Path(file).is_file())
    return files | _project_files(package) if package else files
