"""The reading contract: what the values of one column mean, the same for every command.

`init`, `run`, spans and `predict` all read a column by `read_column`. A value that does not fit the
column's format is invalid; it is never read in another way.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.column_format import ColumnFormat
from pipeline.reading import times, values
from pipeline.reading.values import Mask

# English, then German, French, Spanish, Italian and Portuguese. Letters that are points of the
# compass in one of these languages, such as S and O, are no truth values.
TRUE_WORDS = (
    *("true", "t", "yes", "y", "on", "1"),
    *("wahr", "ja", "j", "ein", "vrai", "oui", "verdadero", "s\u00ed", "si", "vero", "s\u00ec"),
    *("verdadeiro", "sim"),
)
FALSE_WORDS = (
    *("false", "f", "no", "n", "off", "0"),
    *("falsch", "nein", "aus", "faux", "non", "falso", "n\u00e3o", "nao"),
)
TRUE, FALSE = b"true", b"false"

# Signs that scale their numbers: 1.2k is 1200, so a bare 950 beside it is of another size.
SCALING_SUFFIXES = ("%", "\u2030", "k", "M", "Mio", "Mio.", "Mrd", "Mrd.", "Tsd", "Tsd.")

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_MAX_EXACT = 2**53  # whole numbers up to this are exact in float64


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What means a missing value in one column.

    Attributes:
        texts: Trimmed texts.
        numbers: Those of them that are numbers, or the seconds of times; they match by value.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str], form: ColumnFormat) -> "Marks":
        """Returns the marks of a column, whose numbers are written as its `form` says."""
        numbers: list[float] = []
        if form.type == "time" and not form.elapsed:
            numbers += times.instants_of(texts, form.unit)
        for text in texts if form.type != "time" else ():
            number = parse_number(text, replace(form, suffix=""))
            if number is not None and np.isfinite(number):
                numbers.append(number)
        trimmed = tuple(dict.fromkeys(text.strip() for text in texts))
        return cls(texts=trimmed, numbers=tuple(numbers))


def read_column(
    column: pa.Array, form: ColumnFormat, *, default_marks: Sequence[str]
) -> tuple[pa.Array, Mask]:
    """Returns a column's values by its format, and which of them do not fit it.

    Args:
        column: Values as stored in the file; text as binary, or any scalar Arrow type.
        form: How they are written. `decimal` and `thousands` are resolved.
        default_marks: Missing marks of columns without marks of their own.

    Returns:
        The values: float64 for `number` (NaN is missing), int64 for `code` and `time`, binary for
        `text` and `truth`. A missing value is an Arrow null. And bool [rows], true where a value
        that is there does not fit.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), _ARROW[form.type]), np.zeros(len(column), bool)
    marks = _marks(tuple(default_marks if form.missing is None else form.missing), form)
    if not values.is_text(column.type):
        typed, bad = _READERS[form.type](column, form)
        return _without_numbers(typed, marks, form), bad
    fast = _cast_all(column, form)
    if fast is not None:
        return _without_numbers(fast, marks, form), np.zeros(len(column), bool)
    # Each distinct text is looked at once.
    encoded = column.cast(pa.binary()).dictionary_encode()
    texts, not_utf8 = _decoded(encoded.dictionary)
    trimmed = pc.utf8_trim(texts, values.BLANKS)
    missing = pc.or_(pc.equal(trimmed, ""), pc.is_in(trimmed, pa.array(marks.texts, pa.string())))
    present = pc.if_else(pc.fill_null(missing, True), None, trimmed)
    typed, bad = _READERS[form.type](present, form)
    typed = _without_numbers(typed, marks, form)
    bad = (bad | not_utf8) & ~_in_numbers(present, marks, form)
    indices = encoded.indices
    return typed.take(indices), _take_mask(bad, indices)


@lru_cache(maxsize=4_096)  # the same for every batch of a column
def _marks(texts: tuple[str, ...], form: ColumnFormat) -> Marks:
    return Marks.of(texts, form)


def _cast_all(column: pa.Array, form: ColumnFormat) -> pa.Array | None:
    """Casts plain numbers at once; returns None where a value is anything else."""
    if form.type == "number" and _is_plain(form):
        numbers = values.cast_or_none(column, pa.float64())
        if numbers is None or _beyond_float32(numbers).any() or pc.any(pc.is_inf(numbers)).as_py():
            return None
        return pc.if_else(pc.is_nan(numbers), None, numbers)
    return values.cast_or_none(column, pa.int64()) if form.type == "code" else None


def _is_plain(form: ColumnFormat) -> bool:
    return (form.decimal or ".") == "." and not (form.thousands or form.suffix or form.prefix)


def _decoded(texts: pa.Array) -> tuple[pa.Array, Mask]:
    """Returns distinct bytes as text, null where they are not UTF-8, and where that is."""
    none = np.zeros(len(texts), bool)
    try:
        return texts.cast(pa.string()), none
    except pa.ArrowInvalid:
        decoded = [values.utf8_or_none(text) for text in texts.to_pylist()]
        return pa.array(decoded, pa.string()), np.array([text is None for text in decoded])


def _take_mask(mask: Mask, indices: pa.Array) -> Mask:
    if not mask.any():
        return np.zeros(len(indices), bool)
    places = np.asarray(indices.fill_null(len(mask)), np.int64)
    return np.append(mask, False)[places]


def _without_numbers(typed: pa.Array, marks: Marks, form: ColumnFormat) -> pa.Array:
    """Makes numbers that are marks missing."""
    if not marks.numbers or form.type not in ("number", "code", "time"):
        return typed
    wanted = pa.array(marks.numbers, pa.float64())
    hit = pc.fill_null(pc.is_in(typed.cast(pa.float64(), safe=False), wanted), False)
    return pc.if_else(hit, pa.scalar(None, typed.type), typed)


def _in_numbers(present: pa.Array, marks: Marks, form: ColumnFormat) -> Mask:
    """Tells which texts are marks by their value, such as -9999.5 in a column of codes."""
    if not marks.numbers or form.type != "code":
        return np.zeros(len(present), bool)
    numbers, _ = _number_texts(present, replace(form, type="number"))
    return np.asarray(pc.fill_null(pc.is_in(numbers, pa.array(marks.numbers, pa.float64())), False))


# --- numbers


def parse_number(text: str, form: ColumnFormat) -> float | None:
    """Returns the number that a text stands for, or None where it is not written by the format."""
    read, bad = _number_texts(pa.array([text.strip()]), form)
    return None if bad[0] else read[0].as_py()


def _read_number(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    if pa.types.is_string(column.type):
        return _number_texts(column, form)
    return _numbers(column)


def _numbers(column: pa.Array) -> tuple[pa.Array, Mask]:
    kind, bad = column.type, np.zeros(len(column), bool)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_temporal(kind):
        return pa.nulls(len(column), pa.float64()), np.asarray(column.is_valid())
    wide = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
    return _fitting(wide.cast(pa.float64(), safe=False), bad)


def _number_texts(texts: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    cleaned = texts if _is_plain(form) else _plain_numbers(texts, form)
    typed = values.floats_of(cleaned)
    # Arrow and Python read 1e400 as infinite, which only a word is.
    overflown = pc.and_(pc.is_inf(typed), pc.match_substring_regex(cleaned, r"\d"))
    typed = pc.if_else(overflown, None, typed)
    return _fitting(typed, np.asarray(texts.is_valid()) & ~np.asarray(typed.is_valid()))


def _fitting(numbers: pa.Array, bad: Mask) -> tuple[pa.Array, Mask]:
    """Makes not-a-number missing, and numbers that float32 cannot hold invalid."""
    beyond = _beyond_float32(numbers)
    missing = pc.or_(pc.is_nan(numbers).fill_null(True), pa.array(beyond))
    return pc.if_else(missing, None, numbers), bad | beyond


def _beyond_float32(numbers: pa.Array) -> Mask:
    """Tells which finite numbers would be infinite in an example."""
    sizes = np.abs(np.asarray(numbers.fill_null(0.0)))
    beyond: Mask = (sizes > _MAX_FLOAT32) & (sizes < np.inf)
    return beyond


def _plain_numbers(texts: pa.Array, form: ColumnFormat) -> pa.Array:
    """Returns numbers with a decimal point and nothing around; null where the format differs."""
    if form.prefix:
        start = rf"^([+-]?)\s*{re.escape(form.prefix.strip())}\s*"
        texts = pc.replace_substring_regex(texts, start, r"\1")
    if form.suffix:
        end = rf"\s*{re.escape(form.suffix.strip())}$"
        if form.suffix.strip() in SCALING_SUFFIXES:
            fits = pc.match_substring_regex(texts, f"{end}|^[+-]?0+([.,]0*)?$")
            texts = pc.if_else(fits, texts, None)
        texts = pc.replace_substring_regex(texts, end, "")
    texts = pc.replace_substring_regex(texts, f"^{values.MINUS}", "-")
    decimal, thousands = form.decimal or ".", form.thousands
    point = re.escape(decimal)
    bodies = [rf"\d+({point}\d*)?", rf"{point}\d+"]
    if thousands:
        # No one groups 0.512 or 012.345: there the separator is a decimal mark.
        grouped = rf"[1-9]\d{{0,2}}({_SEPARATORS[thousands]}\d{{3}})+"
        bodies.append(grouped + (rf"{point}\d+" if form.decimals else rf"({point}\d*)?"))
    shape = rf"^[+-]?({'|'.join(bodies)})([eE][+-]?\d+)?$"
    words = r"^[+-]?([iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])$"
    fits = pc.match_substring_regex(texts, f"{shape}|{words}")
    if thousands:
        texts = pc.replace_substring_regex(texts, _SEPARATORS[thousands], "")
    if decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return pc.if_else(fits, texts, None)


_SEPARATORS = {",": ",", ".": r"\.", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}


# --- whole numbers that name something


def _read_code(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    del form
    if not pa.types.is_string(column.type):
        if pa.types.is_temporal(column.type):
            return pa.nulls(len(column), pa.int64()), np.asarray(column.is_valid())
        if pa.types.is_boolean(column.type):
            return column.cast(pa.int64()), np.zeros(len(column), bool)
        return values.to_int(column)
    # `1528.0` is how pandas writes 1528 beside a missing value.
    return values.to_int(pc.replace_substring_regex(column, r"^([+-]?\d+)\.0*$", r"\1"))


# --- texts and truth values


def _read_text(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    texts, bad = _texts_of(column, form)
    if form.digits:
        bad |= _without_zeros(texts, form.digits)
    if form.part:
        parts = parts_of(texts.cast(pa.string()), form.part)
        bad |= np.asarray(texts.is_valid()) & ~np.asarray(parts.is_valid())
        texts = parts.cast(pa.binary())
    return texts, bad


def parts_of(texts: pa.Array, pattern: str) -> pa.Array:
    """Returns what the group of a regular expression matches in texts; null where nothing fits."""
    found = pc.extract_regex(texts, re.sub(r"(?<!\\)\((?!\?)", "(?P<part>", pattern, count=1))
    parts = pc.struct_field(found, "part")
    return pc.if_else(pc.equal(parts, ""), None, parts)


def _without_zeros(texts: pa.Array, digits: int) -> Mask:
    """Tells which whole numbers are shorter than the names of a column, such as 7 for 007."""
    strings = texts.cast(pa.string())
    is_short = pc.less(pc.utf8_length(strings), digits)
    is_number = pc.match_substring_regex(strings, r"^\d+$")
    has_point = pc.match_substring_regex(strings, r"^\d+\.0*$")
    lost = pc.or_(pc.and_(is_short, is_number), has_point)
    return np.asarray(pc.fill_null(lost, False))


def _texts_of(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    none = np.zeros(len(column), bool)
    if pa.types.is_boolean(column.type):
        return _read_truth(column, form)
    if pa.types.is_floating(column.type):
        return _text_of_floats(column), none
    if not pa.types.is_string(column.type):
        return values.to_text(column)
    # `True` is how CSV has the truth value that Parquet and JSON write without a spelling.
    lowered = pc.utf8_lower(column)
    is_truth = pc.fill_null(pc.is_in(lowered, pa.array(["true", "false"])), False)
    return pc.if_else(is_truth, lowered, column).cast(pa.binary()), none


def _text_of_floats(column: pa.Array) -> pa.Array:
    """Returns numbers as text; `7` for 7.0, as a column of whole numbers has it."""
    numbers = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    whole = (np.abs(numbers) < _MAX_EXACT) & (np.floor(numbers) == numbers)
    texts = [
        None if np.isnan(number) else str(int(number)) if is_whole else repr(float(number))
        for number, is_whole in zip(numbers, whole, strict=True)
    ]
    return pa.array(texts, pa.string()).cast(pa.binary())


def truth_of(text: str) -> bytes | None:
    """Returns the truth value that a text stands for, or None.

    >>> truth_of("Ja"), truth_of("0"), truth_of("cracked")
    (b'true', b'false', None)
    """
    lowered = text.lower()
    return TRUE if lowered in TRUE_WORDS else FALSE if lowered in FALSE_WORDS else None


def _read_truth(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    del form
    if pa.types.is_boolean(column.type):
        words = pc.if_else(column, TRUE, FALSE)
        return words.cast(pa.binary()), np.zeros(len(column), bool)
    if not pa.types.is_string(column.type):
        texts = _text_of_floats(column.cast(pa.float64(), safe=False)).cast(pa.string())
    else:
        texts = pc.replace_substring_regex(pc.utf8_lower(column), r"^([01])\.0*$", r"\1")
    true = pc.is_in(texts, pa.array(TRUE_WORDS))
    known = pc.or_(true, pc.is_in(texts, pa.array(FALSE_WORDS)))
    words = pc.if_else(known, pc.if_else(true, TRUE, FALSE), None).cast(pa.binary())
    bad = np.asarray(texts.is_valid()) & ~np.asarray(pc.fill_null(known, False))
    return words, bad


# --- times


def _read_time(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    if form.decimal == "," and pa.types.is_string(column.type):
        # A point is no part of such a number: it must not be read.
        column = pc.replace_substring(column, ".", "\u00b7")
        column = pc.replace_substring_regex(column, r"^([+-]?\d+),(\d+)$", r"\1.\2")
    if form.elapsed:
        return times.read_elapsed(column, form.unit or "s")
    return times.read_times(column, form)


_READERS: dict[str, Callable[[pa.Array, ColumnFormat], tuple[pa.Array, Mask]]] = {
    "number": _read_number,
    "code": _read_code,
    "text": _read_text,
    "truth": _read_truth,
    "time": _read_time,
}
_ARROW = {
    "number": pa.float64(),
    "code": pa.int64(),
    "text": pa.binary(),
    "truth": pa.binary(),
    "time": pa.int64(),
}
