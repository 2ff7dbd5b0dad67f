"""Writes the tables of flags in docs/serving.md from the code; `make config-docs` calls this."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from serving.flags import UNUSED_FLAGS, UnusedFlag
from serving.options import ServerOptions, default_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "serving.md"
_BEGIN = "<!-- Written by `make config-docs`: begin -->\n"
_END = "<!-- end -->\n"

Rows = Mapping[str, tuple[str, str]]


def make_tables() -> str:
    """Returns Markdown tables of TensorFlow Serving's flags and of this server's own."""
    own = {f.name: f for f in fields(ServerOptions) if f.metadata["own"]}
    rows = {
        f.name: (default_text(f.default), f.metadata["help"])
        for f in fields(ServerOptions)
        if f.name not in own
    }
    rows["version"] = ("false", "Print the versions.")
    rows |= {
        unused.name: (default_text(unused.default), _effect(unused)) for unused in UNUSED_FLAGS
    }
    own_rows = {f.name: (default_text(f.default), f.metadata["help"]) for f in own.values()}
    theirs = _table(f"{len(rows)} flags of TensorFlow Serving", rows)
    return f"{theirs}\n{_table('Own flags', own_rows)}"


def _effect(unused: UnusedFlag) -> str:
    why = f"{unused.why[0].upper()}{unused.why[1:]}."
    if unused.accepts_all:
        return f"*No effect.* {why}"
    return f"*Accepted without effect: {unused.accepted}; refused: other values.* {why}"


def _table(title: str, rows: Rows) -> str:
    lines = [f"| {title} | Default | Here |", "|---|---|---|"]
    for name, (default, text) in sorted(rows.items()):
        lines.append(f"| `--{name}` | {f'`{default}`' if default else 'empty'} | {text} |")
    return "\n".join(lines) + "\n"


def insert_tables(page: str, tables: str) -> str:
    """Returns a page with the tables between its two marks.

    Raises:
        ValueError: The page lacks a mark.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} must contain the lines {_BEGIN!r} and {_END!r}")
    return f"{before}{begin}{tables}{end}{after}"


def main() -> None:
    """Writes the tables into docs/serving.md."""
    page = insert_tables(PAGE.read_text(encoding="utf-8"), make_tables())
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
