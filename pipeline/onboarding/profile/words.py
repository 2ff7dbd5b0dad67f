"""Formatting of shares and names, and parsing of words and units in column names."""

import re

from pipeline.unit_names import UNITS

# Ambiguous as a last word without brackets: `sensor_a`, `axis_m`, `class_t`.
_ONLY_IN_BRACKETS = {"k", "j", "a", "n", "m", "t", "l", "g", "w", "h", "min", "days", "hours"}

# Last words of names that number or identify rows or things.
ID_WORDS = {
    "id", "ids", "uid", "udi", "uuid", "guid", "index", "idx", "serial", "no", "nr", "key",
    "number", "row", "rowid", "rownum", "unnamed", "identifier", "nbr", "pid",
    "rowname", "rownames", "rownumber",
}  # fmt: skip


def percent(share: float) -> str:
    """Returns a share in percent with about two significant digits: `3.4 %`, `0.40 %`, `100 %`."""
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    if share > 0.99:  # the difference from 100 % matters
        return f"{min(99.99, share * 100):.2f} %"
    digits = 0 if share >= 0.1 else 1 if share >= 0.01 else 2 if share >= 0.001 else 3
    return f"{share * 100:.{digits}f} %"


def quoted(name: str) -> str:
    """Returns a name or value in backticks, on one line, truncated if long."""
    text = " ".join(name.split())
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def words_of(name: str) -> list[str]:
    """Returns the lower-case words of a name: `machineID_2 [K]` gives machine, id, 2, k."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[^0-9A-Za-zÀ-ÿ%°µ]+", spaced) if word]


def unit_of(name: str) -> str:
    """Returns the unit in a column's name, or an empty text."""
    bracketed = re.search(r"[\[(]\s*([^\])]+?)\s*[\])]\s*$", name)
    if bracketed:
        text = bracketed[1]
        return UNITS.get(text.lower(), text if len(text) <= 10 else "")
    words = words_of(name)
    if len(words) < 2 or words[-1] in _ONLY_IN_BRACKETS:
        return ""
    return UNITS.get(words[-1], "")
