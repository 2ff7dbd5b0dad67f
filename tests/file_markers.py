"""The markers of a whole test file, read from its source alone."""

import ast
from pathlib import Path


def file_markers(path: Path) -> frozenset[str]:
    """Returns the names of the markers that `pytestmark` gives to all tests of a file."""
    source = path.read_bytes()
    if b"pytestmark" not in source:
        return frozenset()
    values = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and _assigns_pytestmark(node)
    ]
    return frozenset(name for value in values for name in _marker_names(value))


def _assigns_pytestmark(node: ast.Assign) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)


def _marker_names(value: ast.expr) -> list[str]:
    """The markers of one value of `pytestmark`: one marker, or a list of them."""
    marks = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    # `pytest.mark.e2e`, or `pytest.mark.timeout(60)`.
    names = [mark.func if isinstance(mark, ast.Call) else mark for mark in marks]
    return [
        name.attr
        for name in names
        if isinstance(name, ast.Attribute) and ast.unparse(name.value) == "pytest.mark"
    ]
