"""Names of time zones in texts, such as CET, as offsets from UTC.

Only names with one meaning are read. EST is five hours behind UTC in New York and was ten ahead in
Sydney; CST, IST and BST have three meanings each.

References:
    https://data.iana.org/time-zones/theory.html#abbreviations
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

_OFFSETS = {
    "Z": "+0000", "UTC": "+0000", "GMT": "+0000",
    "WET": "+0000", "WEST": "+0100",
    "CET": "+0100", "CEST": "+0200", "MEZ": "+0100", "MESZ": "+0200",
    "EET": "+0200", "EEST": "+0300",
    "MSK": "+0300", "JST": "+0900", "SAST": "+0200",
    "AEST": "+1000", "AEDT": "+1100", "ACST": "+0930", "ACDT": "+1030", "AWST": "+0800",
    "NZST": "+1200", "NZDT": "+1300",
}  # fmt: skip
_AMBIGUOUS = {
    "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "AST", "ADT", "IST", "BST", "SST",
}  # fmt: skip


def with_offsets(texts: pa.Array) -> pa.Array:
    """Writes the names of zones as `%z` reads them; other names are left, and are no times.

    Args:
        texts: Times with the name of a zone.
    """
    for name, offset in _OFFSETS.items():
        texts = pc.replace_substring_regex(texts, rf"\b{name}\b", offset)
    return texts


def ambiguous_zone(text: str) -> str:
    """Returns the name of a zone with several meanings in a text, or an empty text."""
    names = [word for word in re.findall(r"\b[A-Z]{3}\b", text) if word in _AMBIGUOUS]
    return names[0] if names else ""
