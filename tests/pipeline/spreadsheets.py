"""Small .xlsx files of texts, numbers, truth values and times."""

import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_FILES = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r" '
    f'Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    # Style 1 is Excel's built-in format 22, a date with its time.
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/>'
    '<xf numFmtId="22"/></cellXfs></styleSheet>',
}


def _cell_xml(place: int, row: int, value: Any) -> str:
    name = f"{'ABCDEFGH'[place]}{row}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{name}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400  # Excel's day 0
        return f'<c r="{name}" s="1"><v>{days!r}</v></c>'
    if isinstance(value, str):
        return f'<c r="{name}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
    return f'<c r="{name}"><v>{value}</v></c>'


def write_sheet(path: Path, *rows: Sequence[Any]) -> Path:
    """Writes rows to the only sheet of a file; returns its path."""
    return write_sheets(path, Data=rows)


def write_sheets(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    """Writes the rows of sheets, by their names, to a file; returns its path."""
    numbered = list(enumerate(sheets, 1))
    listed = "".join(f'<sheet name="{s}" sheetId="{n}" r:id="r{n}"/>' for n, s in numbered)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n, _ in numbered
    )
    parts = {
        **_FILES,
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}'
        f'<Relationship Id="s" Type="{_DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
    }
    parts |= {f"xl/worksheets/sheet{n}.xml": _sheet_xml(sheets[name]) for n, name in numbered}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def _sheet_xml(rows: Sequence[Sequence[Any]]) -> str:
    body = "".join(
        f'<row r="{number}">'
        + "".join(_cell_xml(place, number, value) for place, value in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'
