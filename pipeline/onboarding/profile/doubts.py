"""Columns that no single format reads, or that two formats read differently."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.onboarding.profile.text_facts import MIN_MEASURED, SENTINELS, TextFacts
from pipeline.onboarding.profile.words import quoted
from pipeline.reading import contract

_MAX_OTHER_SHARE = 0.05  # of the values; fewer in another notation are bad rows
_MIN_DECIDING = 60  # numbers; of these, one in 500 tables has no zero at an end
_MIN_FIXED = 20  # numbers that show whether all of a column have decimals
_CURRENCIES = r"CHF|EUR|USD|GBP|JPY|CAD|AUD|SEK|NOK|DKK|PLN|CZK|INR|CNY|BRL|Rs\.?|Fr\.?|kr\.?"
_WITH_CURRENCY = re.compile(rf"[+-]?\s*([$\u20ac\u00a3\u00a5]|{_CURRENCIES})\s*[+-]?\d[\d.,' ]*$")
_ONE_CURRENCY = 0.95  # of the texts
# 1.234,5- or (2.41) or 4.1 kPa or $12.50 or <0.05 or 05:30, but not R12 or 47-11.
_NUMBER_LIKE = re.compile(
    r"[\"'=~\u2248<>\u2264\u2265$\u20ac\u00a3\u00a5]\s*[+-]?\d[\d.,' ]*$"
    r"|\(?[+-]?(\d{1,3}([.,' ]\d{3})+([.,]\d+)?|\d+[.,]\d+)\)?[+-]?\s*[^\d\s]{0,6}$"
    r"|[+-]?\d+ [^\d\s]{1,6}$|\(\d[\d.,' ]*\)$"
    rf"|({_CURRENCIES})\s*[+-]?\d[\d.,' ]*$"
    # 1.5D-03 of Fortran, 3,82,361.68 of India, and the durations P1DT2H and T#1h30m.
    r"|[+-]?\d*[.,]\d+[dD][+-]?\d+$|[+-]?\d{1,3}(,\d\d)+,\d{3}([.]\d+)?$"
    r"|P(?=[T\d])(\d+D)?(T[\dHMS.]+)?$|T#[\d.hms_]+$"
)
_TIME_LIKE = re.compile(
    r".*\b\d{1,4}:\d{2}\b|.*\b\d{1,2}h\d{2}\b|\d+ ?h ?\d{1,2} ?(?:m|min)\b"
    r"|(19|20)\d\d([-/.])\d{1,2}\2\d{1,2}($|[T ,])|\d{1,2}([-/.])\d{1,2}\4(19|20)?\d\d($|[T ,])"
    r"|(19|20)\d{6}T\d{4}|\d{1,2}[-/. ]?[^\W\d_]{3,9}[-/., ]*(19|20)\d\d\b"
    r"|[^\W\d_]{3,9}\.? \d{1,2},? (19|20)\d\d\b"
    r"|(19|20)\d\d[-/.](0[1-9]|1[0-2])$|(19|20)\d\d-W\d\d"
)
# [0.1, -2.5, 3, …] or 0.1 -2.5 3 …: a recording in one field.
LIST_LIKE = re.compile(r"\[?\s*[+-]?\d[\d.eE+-]*([,;\s]\s*[+-]?\d[\d.eE+-]*){7,}\s*\]?$")
# 3,5 % or 1.234,50 EUR, but not 1,234 kg.
_SURE_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,}))(?!\d)\s*[^\d\s.,]")
_MIN_DOUBTFUL, _FAR = 3, 10  # numbers far above all others, by this factor


def are_thousands(facts: TextFacts) -> bool:
    """Tells whether each point in a column of plain numbers may be between thousands.

    In a table of decimal commas it then is: 950 and 1.200 are 950 and 1200.
    """
    return bool(
        facts.pointed
        and facts.grouped == facts.pointed
        and not (facts.long_whole or facts.leading_zeros or facts.number_hits)
    )


def has_sure_comma(facts: TextFacts) -> bool:
    """Tells whether most numbers with a unit have a comma that can only be a decimal mark."""
    hits = sum(number for text, number in facts.texts.items() if _SURE_COMMA.match(text))
    return bool(facts.suffixes) and hits > facts.num_texts / 2


def check_points(name: str, facts: TextFacts) -> None:
    """Checks that points are between thousands in a table whose other columns do not decide.

    Of many numbers with decimals, some end in a zero, which is not written, or all are written
    with the same number of decimals. So 950 beside many such as 1.200 decides.

    Raises:
        InputError: All numbers have a point, or there are few.
    """
    if facts.pointless and len(facts.numbers) >= _MIN_DECIDING:
        return
    number = next(number for number in facts.numbers if number != np.floor(number))
    shown = quoted(f"{number:.3f}")
    raise InputError(
        f"Column {quoted(name)}: numbers such as {shown} have a decimal point or a point between "
        "thousands, and no value decides which. Write the numbers with a decimal comma or without "
        "points between thousands."
    )


def currency_of(facts: TextFacts) -> str:
    """Returns the currency before nearly all numbers of a column, such as `$`, or an empty text."""
    found: Counter[str] = Counter()
    for text, number in facts.texts.items():
        if match := _WITH_CURRENCY.match(text):
            found[match[1]] += number
    [(currency, hits)] = found.most_common(1) or [("", 0)]
    return currency if hits >= _ONE_CURRENCY * facts.num_present * _kept(facts) else ""


def _kept(facts: TextFacts) -> float:
    """Share of the texts that are kept: of very many only the most frequent are."""
    return min(1.0, sum(facts.texts.values()) / max(1, facts.num_texts))


def has_decimals(facts: TextFacts, form: ColumnFormat) -> bool:
    """Tells whether every number has the decimal mark, in a column of a mark between thousands."""
    if form.thousands not in (".", ",") or facts.num_present < _MIN_FIXED:
        return False
    mark = form.decimal or "."
    plain = facts.pointless + (facts.pointed if mark == "," else 0)
    return not plain and not any(mark not in text for text in facts.read_texts(form))


def check_grouping(name: str, facts: TextFacts, form: ColumnFormat) -> None:
    """Checks that no numbers such as 72.470 among 1.234,56 need a decimal point to be in range.

    Raises:
        InputError: All of them are far above all others, and among them if divided by 1,000.
    """
    if form.thousands not in (".", ","):
        return
    read, mark = facts.read_texts(form), form.decimal or "."
    sure = [number for text, number in read.items() if mark in text]
    doubtful = [number for text, number in read.items() if mark not in text]
    num_doubtful = len(doubtful)
    if form.thousands == "." and facts.grouped_limits is not None:
        doubtful += [1e3 * number for number in facts.grouped_limits]
        num_doubtful += facts.grouped
    elif form.thousands == ",":
        sure += [number for number in facts.numbers if number not in SENTINELS]
    if len(sure) < _MIN_FIXED or num_doubtful < _MIN_DOUBTFUL:
        return
    low, high = min(sure), max(sure)
    is_apart = min(doubtful) > _FAR * high
    if is_apart and low <= min(doubtful) / 1e3 and max(doubtful) / 1e3 <= high:
        shown = f"{min(doubtful) / 1e3:.3f}".replace(".", form.thousands)
        raise InputError(
            f"Column {quoted(name)}: its numbers have the decimal mark `{form.decimal}`, but those "
            f"such as {quoted(shown)} have none and, with `{form.thousands}` between thousands, "
            f"would all be larger than {high:g}, the largest of the others. Their "
            f"`{form.thousands}` seems to be a decimal mark. Write all numbers in one way."
        )


def check_decimal_marks(name: str, facts: TextFacts, form: ColumnFormat) -> None:
    """Checks that a column of decimal commas has no decimal points, as a file of its own may have.

    Raises:
        InputError: More numbers have a decimal point than bad rows explain.
    """
    if form.decimal != ",":
        return
    num_points = facts.pointed - (facts.grouped if form.thousands == "." else 0)
    if num_points <= _MAX_OTHER_SHARE * facts.num_present:
        return
    point = next((n for n in facts.numbers if n != np.floor(n) and n not in SENTINELS), None)
    comma = next((text for text in facts.read_texts(form) if "," in text), None)
    shown = "" if point is None else f" such as {quoted(f'{point:g}')}"
    other = "" if comma is None else f" such as {quoted(comma)}"
    raise InputError(
        f"Column {quoted(name)}: {num_points:,} numbers{shown} have a decimal point, and others"
        f"{other} have a decimal comma. Write all of them in one way, also in several files."
    )


def check_units(name: str, facts: TextFacts, form: ColumnFormat) -> None:
    """Checks that numbers with and without a unit can be of one unit.

    79 % and 0.79, 1.2k and 950, or 410 kPa among bare numbers around 4 cannot.

    Raises:
        InputError: The unit scales its numbers, or the bare numbers are of another size.
    """
    bare = [n for n in facts.numbers if np.isfinite(n) and n not in (0.0, *SENTINELS)]
    with_unit = [number for number in facts.read_texts(form).values() if number]
    if not form.suffix or not bare or not with_unit:
        return
    scales = form.suffix in contract.SCALING_SUFFIXES
    ratio = _median_size(bare) / _median_size(with_unit)
    if scales or not 1 / _FAR <= ratio <= _FAR:
        what = "a per cent sign" if form.suffix == "%" else f"the unit {quoted(form.suffix)}"
        also = "" if scales else ", and they are of another size"
        raise InputError(
            f"Column {quoted(name)}: some numbers have {what} and some, such as "
            f"{quoted(f'{bare[0]:g}')}, have none{also}. Write all values in one way."
        )


def check_marks_between(name: str, facts: TextFacts, form: ColumnFormat) -> None:
    """Checks that a mark between thousands, as in 1.234 kg, cannot be a decimal mark.

    For a column in a table whose other columns do not decide.

    Raises:
        InputError: No number has a decimal mark besides.
    """
    mark, texts = form.thousands, list(facts.read_texts(form))
    if mark not in (".", ",") or any((form.decimal or ".") in text for text in texts):
        return
    shown = next(text for text in texts if mark in text)
    raise InputError(
        f"Column {quoted(name)}: numbers such as {quoted(shown)} have a decimal mark or a "
        "thousands separator, and no value decides which. Write the numbers with a decimal point "
        "and without thousands separators."
    )


def _median_size(numbers: Sequence[float]) -> float:
    return float(np.median(np.abs(numbers)))


def unread_measurement(facts: TextFacts) -> str:
    """Returns one of a text column's values if most look like numbers, times or lists."""
    if facts.num_plain > facts.num_present / 2 and len(facts.numbers) > MIN_MEASURED:
        return f"{next(iter(facts.numbers)):g}" if not facts.all_whole else ""
    shapes = (_NUMBER_LIKE, _TIME_LIKE, LIST_LIKE)
    alike = [text for text in facts.texts if any(shape.match(text) for shape in shapes)]
    return alike[0] if len(alike) > max(MIN_MEASURED, 0.9 * len(facts.texts)) else ""
