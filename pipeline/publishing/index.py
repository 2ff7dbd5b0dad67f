"""`index.html` of the folder of reports: every page, by use case and run."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.components.pages.layout import ROOT_MARK, STAMP_MARK, render
from pipeline.publishing.stamp import PACKAGE, STAMP_FILE, Stamp, read_stamp

INDEX_FILE = "index.html"
# Names of pages in the order of reading; others follow.
_ORDER = ("data", "model", "errors", "card", "monitor")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to a page.

    Attributes:
        name: The page's name.
        href: Its path relative to the folder of reports.
    """

    name: str
    href: str


@dataclass(frozen=True, kw_only=True)
class RunLinks:
    """The pages of one run.

    Attributes:
        stamp: The run.
        pages: Its pages.
    """

    stamp: Stamp
    pages: list[Link]


def write_index(reports: Path) -> None:
    """Writes the index of all pages that are in the folder of reports."""
    runs = sorted(_runs(reports), key=lambda run: (run.stamp.started, run.stamp.run_id))
    by_use_case: dict[str, list[RunLinks]] = {}
    for run in reversed(runs):
        by_use_case.setdefault(run.stamp.use_case, []).append(run)
    html = render(
        PACKAGE,
        "index.html.j2",
        use_cases=[
            (name, _latest(reports, name), by_use_case[name]) for name in sorted(by_use_case)
        ],
        others=_others(reports, set(by_use_case)),
        plots=False,
    )
    text = html.replace(STAMP_MARK, "").replace(ROOT_MARK, "")
    # A run and a monitor may write it at the same time, so that each needs a draft of its own.
    draft = reports / f".{INDEX_FILE}-{uuid.uuid4().hex}"
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(reports / INDEX_FILE)
    finally:
        draft.unlink(missing_ok=True)


def _runs(reports: Path) -> Iterator[RunLinks]:
    for path in reports.glob(f"*/*/{STAMP_FILE}"):
        stamp = read_stamp(path.parent)
        if stamp is not None:
            pages = sorted(path.parent.glob("*.html"), key=_place)
            yield RunLinks(stamp=stamp, pages=[_link(page, reports, page.stem) for page in pages])


def _latest(reports: Path, use_case: str) -> list[Link]:
    pages = [(name, reports / f"{name}-{use_case}.html") for name in _ORDER]
    return [_link(path, reports, name) for name, path in pages if path.is_file()]


def _others(reports: Path, use_cases: set[str]) -> list[Link]:
    """Other reports: anomalies, rows in quarantine."""
    own = {INDEX_FILE, *(f"{page}-{name}.html" for page in _ORDER for name in use_cases)}
    files = [path for path in sorted(reports.iterdir()) if path.is_file() and path.name not in own]
    return [
        _link(path, reports, path.name)
        for path in files
        if path.suffix != ".log" and not path.name.startswith(".")
    ]


def _place(page: Path) -> tuple[int, str]:
    place = _ORDER.index(page.stem) if page.stem in _ORDER else len(_ORDER)
    return place, page.stem


def _link(path: Path, reports: Path, name: str) -> Link:
    return Link(name=name, href=quote(path.relative_to(reports).as_posix()))
