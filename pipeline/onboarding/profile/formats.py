"""Formats of the columns of a new table, decided on all of their values.

The first of the two passes of `init`. What it finds becomes the reading contract in the YAML; the
second pass, and every run after it, reads by that contract.
"""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import ColumnFormat, Decimal, Thousands, ValueType
from pipeline.config import Data
from pipeline.counting import count
from pipeline.onboarding.profile import placeholders
from pipeline.onboarding.profile.doubts import (
    are_thousands,
    check_decimal_marks,
    check_grouping,
    check_marks_between,
    check_points,
    check_units,
    currency_of,
    has_decimals,
    has_sure_comma,
    unread_measurement,
)
from pipeline.onboarding.profile.sentinels import (
    find_sentinels,
    sentinel_marks,
    sentinel_words,
)
from pipeline.onboarding.profile.text_facts import (
    GROUPED,
    MIN_MEASURED,
    NUMBER_FORMATS,
    TextFacts,
)
from pipeline.onboarding.profile.words import ID_WORDS, quoted, words_of
from pipeline.reading import contract, times
from pipeline.reading.columns import Kind

DateOrder = Literal["day-first", "month-first"]

_INFINITE = ("inf", "-inf", "Inf", "-Inf", "INF", "-INF", "Infinity", "-Infinity", "infinity")
# Default marks that are words: in a column of texts each may be a value, as `None` of a damage is.
_WORDS = frozenset({"NA", "N/A", "None", "?"})
_NOT_WORDS = tuple(mark for mark in Data(path="-").missing_values if mark not in _WORDS)
_HIDDEN = re.compile(r"[xX]{2,}|\*+|#+")  # what stands for digits that are not told
# Codes of several things in one cell, and thousands.
_LIST, _PAIR = re.compile(r"\d+(, ?\d+){2,}"), re.compile(r"\d+, ?\d+")
_GROUPS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_MAX_MARKS = 10  # distinct texts beside numbers that may mean a missing value
_MIN_NUMBERS_A_WORD = 20  # distinct numbers for each of more words, such as the states of a logger
_MIN_TIME_SHARE = 0.95  # of the values; the others are bad rows
_DATE_WORDS = frozenset({"date", "datum", "day", "tag", "fecha", "jour", "yymmdd"})
# Whole numbers that stand for no date where many rows have them.
_NO_DATES = ("0", "-1", "99999999", "99991231", "99991231235959")
_VERSION_WORDS = {"version", "ver", "firmware", "fw", "software", "sw", "revision"}


@dataclass(frozen=True, kw_only=True)
class Written:
    """How a column is written.

    Attributes:
        form: Its format; None for lists and what no example can hold.
        whole: Every value is a whole number.
        reason: What decided, for a comment; empty for a plain column.
        marks: Texts that mean a missing value in this column, besides the default ones.
        num_unfit: Values that do not fit the format.
        unfit: Some of them.
        resembles: A text of a text column whose texts look like numbers or times that no format
            reads; else empty.
    """

    form: ColumnFormat | None
    whole: bool = False
    reason: str = ""
    marks: tuple[str, ...] = ()
    num_unfit: int = 0
    unfit: tuple[str, ...] = ()
    resembles: str = ""

    def given(
        self, default_marks: Sequence[str], value_type: ValueType | None = None
    ) -> ColumnFormat:
        """Returns the format with its own marks, for reading; `value_type` reads it otherwise."""
        if self.form is None:
            raise ValueError("a list has no format of single values")
        missing = (*default_marks, *self.marks) if self.marks else self.form.missing
        if value_type is None:
            return replace(self.form, missing=missing)
        return ColumnFormat(type=value_type, missing=missing)


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What decides the same way for all columns of a table.

    Attributes:
        default_marks: Texts that mean a missing value in any column.
        delimiter: The CSV files' delimiter; empty for other formats.
        dates: The order of day and month that the person gave.
        sure_decimal: The decimal mark of columns that leave no doubt; None if there are none.
        leave_out: Columns that the person leaves out. They are text if nothing decides otherwise.
    """

    default_marks: tuple[str, ...]
    delimiter: str = ""
    dates: DateOrder | None = None
    sure_decimal: Decimal | None = None
    leave_out: Collection[str] = ()


def decide_formats(
    facts: Mapping[str, TextFacts], table: TableFacts
) -> tuple[dict[str, Written], Decimal]:
    """Returns how each column is written, and the table's decimal mark.

    Args:
        facts: Columns by name, over all rows.
        table: What holds for all columns.

    Raises:
        InputError: A column can be read in two ways, and nothing decides which.
    """
    numbers = [one for name, one in facts.items() if not _holds_lists(name, one)]
    table = replace(table, sure_decimal=_sure_decimal(numbers))
    # Without such a column, a semicolon between the fields points to a comma in the numbers.
    decimal = table.sure_decimal or ("," if table.delimiter == ";" else ".")
    return {name: _decide_or_ask(name, one, table, decimal) for name, one in facts.items()}, decimal


def _sure_decimal(columns: Sequence[TextFacts]) -> Decimal | None:
    """The decimal mark of columns that leave no doubt, such as 0,5 or 1.234,50 EUR."""
    if any(one.number_hits[",", None] > one.ambiguous or has_sure_comma(one) for one in columns):
        return ","
    pointed = [one for one in columns if one.num_plain and not one.all_whole]
    return None if all(map(are_thousands, pointed)) else "."


def _holds_lists(name: str, facts: TextFacts) -> bool:
    """Whether some texts list whole numbers, as `49,48,17,6`: then `6,17` is a list too.

    Of a column of identifiers, two are enough.
    """
    identifies = bool(ID_WORDS.intersection(words_of(name)[-1:]))
    return any(
        (_LIST.fullmatch(text) or (identifies and _PAIR.fullmatch(text)))
        and not _GROUPS.fullmatch(text)
        for text in facts.texts
    )


def _decide_or_ask(name: str, facts: TextFacts, table: TableFacts, decimal: Decimal) -> Written:
    try:
        return _decide(name, facts, table, decimal)
    except InputError as error:
        if name in table.leave_out:
            return _as_text(facts)
        advice = f"Or leave the column out with --leave-out {shlex.quote(name)}."
        raise InputError(f"{error} {advice}") from None


def _decide(name: str, facts: TextFacts, table: TableFacts, decimal: Decimal) -> Written:
    kinds = facts.kinds - {"empty"}
    if any(kind == "none" or kind.endswith("list") for kind in kinds):
        return Written(form=None)
    if kinds == {"time"}:
        return _decide_stamps(facts)
    if not kinds & {"text", "bytes"}:
        return _decide_stored(name, facts, table, kinds)
    return (
        _as_truth(facts)
        or _as_compact_time(name, facts, table)
        or _as_time(name, facts, table)
        or _as_version(name, facts)
        or _as_number(name, facts, table, decimal)
        or _as_text(facts)
    )


def _decide_stored(name: str, facts: TextFacts, table: TableFacts, kinds: set[Kind]) -> Written:
    """Columns whose files declare numbers or truth values."""
    if kinds <= {"int", "float"} and (time := _as_compact_time(name, facts, table)):
        return time
    if kinds == {"truth"}:
        return Written(form=ColumnFormat(type="truth"), reason="truth values")
    if kinds <= {"int", "truth"} and facts.too_long:
        return Written(
            form=ColumnFormat(type="text"), reason="whole numbers beyond 64 bits, read as text"
        )
    whole = facts.all_whole and kinds <= {"int", "truth"}
    return _with_sentinels(facts, Written(form=ColumnFormat(type="number"), whole=whole))


def _decide_stamps(facts: TextFacts) -> Written:
    """Arrow times, in which dates such as 1900-01-01 may mean a missing one."""
    marks = placeholders.lone_placeholders(facts.stamps, facts.stamp_limits)
    written = Written(form=ColumnFormat(type="time"))
    if not marks:
        return written
    texts = tuple(placeholders.date_text(second) for second in marks)
    shown = " and ".join(
        f"{text} ({count(facts.stamps[second], 'row')})"
        for text, second in zip(texts, marks, strict=True)
    )
    return replace(written, marks=texts, reason=f"{shown} is no measured time and means missing")


def _as_truth(facts: TextFacts) -> Written | None:
    if not facts.texts or not facts.texts_complete:
        return None
    words = {text.lower() for text in facts.texts}
    words |= {str(int(n)) if n == int(n) else str(n) for n in facts.numbers if np.isfinite(n)}
    true, false = words & set(contract.TRUE_WORDS), words & set(contract.FALSE_WORDS)
    if not (true and false) or words - true - false:
        return None
    shown = " and ".join(quoted(text) for text in sorted(facts.texts)[:4])
    return Written(form=ColumnFormat(type="truth"), reason=f"truth values, written {shown}")


def _as_compact_time(name: str, facts: TextFacts, table: TableFacts) -> Written | None:
    """Whole numbers such as 20240131, nearly all of which are dates."""
    is_stored = facts.kinds <= {"int", "float", "empty"}
    is_whole = facts.all_integral if is_stored else facts.all_whole
    if not is_whole or len(facts.numbers) < 5:
        return None
    fitting = {
        one: fills for one in times.COMPACT_FORMATS if (fills := _fills(facts, one)) is not None
    }
    if _DATE_WORDS.isdisjoint(words_of(name)):  # 240131 and 31012024 may be any numbers
        fitting = {one: fills for one, fills in fitting.items() if one not in times.NAMED_FORMATS}
    if not fitting:
        return None
    texts = [*facts.texts, *(f"{number:.0f}" for number in facts.numbers)]
    rivals = [one for one in times.YEAR_LAST_FORMATS if one in fitting]
    time_format = next(iter(fitting))
    if time_format in rivals:
        time_format = _choose_order(name, rivals, texts, table)
    seconds, unread = times.parse_texts(pa.array(texts, pa.string()), time_format)
    marks = (*fitting[time_format], *placeholders.lone_texts(texts, seconds))
    marks = tuple(dict.fromkeys(marks))
    num_unfit = facts.num_present - facts.time_hits[time_format]
    num_unfit -= sum(facts.numbers[float(mark)] for mark in marks)
    reason = f"each value is a date of 1980 to 2100 written {time_format}"
    if num_unfit or marks:
        reason = f"times written {time_format}"
    if marks:
        shown = " and ".join(map(quoted, marks))
        reason += f"; {shown} is no measured time and means missing"
    if num_unfit:
        reason += f"; {count(num_unfit, 'value')} of no year from 1980 to 2100"
    return Written(
        form=ColumnFormat(type="time", format=time_format),
        reason=reason,
        marks=marks,
        num_unfit=num_unfit,
        unfit=tuple(t for t, is_unread in zip(texts, unread, strict=True) if is_unread)[:3],
    )


def _fills(facts: TextFacts, time_format: str) -> tuple[str, ...] | None:
    """The numbers that stand for no date beside dates of a format, or None if these are too few."""
    num_unfit = facts.num_present - facts.time_hits[time_format]
    if num_unfit <= facts.num_present * (1 - _MIN_TIME_SHARE):
        return ()
    fills = tuple(t for t in _NO_DATES if facts.numbers[float(t)])
    num_filled = sum(facts.numbers[float(text)] for text in fills)
    num_others = (facts.num_present - num_filled) * (1 - _MIN_TIME_SHARE)
    return fills if num_unfit - num_filled <= num_others else None


def _as_time(name: str, facts: TextFacts, table: TableFacts) -> Written | None:
    hits = Counter({f: n for f, n in facts.time_hits.items() if f not in times.COMPACT_FORMATS})
    if not hits or facts.num_plain > facts.num_present * (1 - _MIN_TIME_SHARE):
        return None
    best = max(hits.values())
    beyond = {text for text in facts.texts if placeholders.is_beyond(text)}
    num_beyond = sum(facts.texts[text] for text in beyond)
    if best < _MIN_TIME_SHARE * (facts.num_present - num_beyond) or best < 3:
        return None
    rivals = [f for f in times.TEXT_FORMATS if hits[f] == best]
    chosen = (
        rivals[0]
        if rivals[0] == times.ISO
        else _choose_order(name, rivals, list(facts.texts), table)
    )
    texts = [text for text in facts.texts if text not in beyond]
    seconds, unread = times.parse_texts(pa.array(texts, pa.string()), chosen)
    unfit = [text for text, is_unread in zip(texts, unread, strict=True) if is_unread]
    num_unfit = facts.num_present - best - num_beyond
    marks = (*sorted(beyond), *placeholders.lone_texts(texts, seconds))
    reason = f"times written {chosen}"
    if marks:
        shown = " and ".join(f"{quoted(m)} ({count(facts.texts[m], 'row')})" for m in marks[:3])
        reason += f"; {shown} is no measured time and means missing"
    if num_unfit:
        shown = ", ".join(quoted(text) for text in unfit[:3])
        reason += f"; {count(num_unfit, 'value')} cannot be read, such as {shown}"
    form = ColumnFormat(type="time", format=chosen)
    return Written(
        form=form, reason=reason, marks=marks, num_unfit=num_unfit, unfit=tuple(unfit[:3])
    )


def _choose_order(name: str, rivals: Sequence[str], texts: Sequence[str], table: TableFacts) -> str:
    """Returns the one format, or that of the order of day and month that the person gave."""
    sample = pa.array(texts, pa.string())
    readings = {f: times.parse_texts(sample, f)[0] for f in rivals}
    first = readings[rivals[0]]
    if all(reading.equals(first) for reading in readings.values()):
        return rivals[0]
    wanted = {"day-first": ("%d",), "month-first": ("%m", "%b", "%B"), None: ()}[table.dates]
    chosen = [f for f in rivals if f.startswith(wanted)] if wanted else []
    if chosen:
        return chosen[0]
    shown = texts[0]
    both = [f for f in rivals if f.startswith(("%d", "%m"))] or list(rivals)
    raise InputError(
        f"Column {quoted(name)}: times such as {quoted(shown)} can be read in "
        f"{len(both)} ways, {' or '.join(both[:3])}, and no value decides which. Say it with "
        "--dates day-first or --dates month-first."
    )


def _as_version(name: str, facts: TextFacts) -> Written | None:
    """Texts of a column named as a version: 1.10 is a name, and not the number 1.1."""
    is_named = words_of(name)[-1:] and words_of(name)[-1] in _VERSION_WORDS
    if not is_named or facts.all_whole or facts.many_numbers:
        return None
    return replace(_as_text(facts), reason="a version is a name: 1.10 is not 1.1")


def _as_number(name: str, facts: TextFacts, table: TableFacts, decimal: Decimal) -> Written | None:
    if facts.all_whole and (facts.leading_zeros or facts.too_long) and not facts.number_hits:
        return None
    if (facts.not_utf8 and not facts.num_present) or _holds_lists(name, facts):
        return None
    form, hits = _number_format(name, facts, table, decimal)
    if hits is None:
        return None
    check_decimal_marks(name, facts, form)
    rest = facts.num_texts - hits
    unread = _unread(facts, form)
    if rest and not _are_marks(facts, form, unread, rest):
        return None
    whole = facts.all_whole and form.decimal is None and not hits
    infinite = _INFINITE if facts.num_infinite else ()
    reason = _number_reason(form)
    if decimal == "," and form.decimal is None and not facts.all_whole:
        form = replace(form, decimal=".")  # unlike the rest of the table
    if has_decimals(facts, form):
        form = replace(form, decimals=True)
    written = Written(form=form, whole=whole, reason=reason, marks=(*unread, *infinite))
    return _with_sentinels(facts, written)


def _unread(facts: TextFacts, form: ColumnFormat) -> tuple[str, ...]:
    """The texts that are no number in this format."""
    texts = list(facts.texts)
    if not texts:
        return ()
    _, bad = contract.read_column(pa.array(texts).cast(pa.binary()), form, default_marks=())
    return tuple(text for text, is_bad in zip(texts, bad, strict=True) if is_bad)


def _are_marks(
    facts: TextFacts, form: ColumnFormat, unread: Sequence[str], num_unread: int
) -> bool:
    """Whether the texts beside the numbers of a column can only mean a missing value."""
    numbers = len(facts.numbers) + len(facts.texts) - len(unread)
    measured = facts.many_numbers or numbers > max(MIN_MEASURED, 2 * len(unread))
    complete = facts.texts_complete or form != ColumnFormat(type="number")
    words = not any(character.isdigit() for text in unread for character in text)
    few = len(unread) <= _MAX_MARKS or (words and numbers > _MIN_NUMBERS_A_WORD * len(unread))
    return measured and complete and few and num_unread < facts.num_present


def _number_format(
    name: str, facts: TextFacts, table: TableFacts, decimal: Decimal
) -> tuple[ColumnFormat, int | None]:
    """Returns the number format that reads the most texts, and how many; None where none does."""
    plain = ColumnFormat(type="number")
    if decimal == "," and are_thousands(facts):
        if table.sure_decimal is None:
            check_points(name, facts)
        return ColumnFormat(type="number", decimal=",", thousands="."), 0
    if not facts.num_texts:
        return plain, 0
    suffix, prefix = _suffix(facts), currency_of(facts)
    if suffix or prefix:
        form, hits = _with_text(facts, suffix, prefix, decimal)
        check_units(name, facts, form)
        if table.sure_decimal is None and (form.thousands, table.delimiter) != (",", ","):
            check_marks_between(name, facts, form)
        return form, hits
    best = max(facts.number_hits.values(), default=0)
    if best == 0:
        return plain, 0 if facts.num_plain else None
    rivals = [f for f in NUMBER_FORMATS if facts.number_hits[f] == best]
    if best == facts.ambiguous and {(",", None), (".", ",")} <= set(rivals):
        chosen = _settle(name, facts, table, decimal)
    else:
        chosen = next((f for f in rivals if f[0] == decimal), rivals[0])
    form = ColumnFormat(type="number", decimal=chosen[0], thousands=chosen[1])
    check_grouping(name, facts, form)
    return form, best


def _settle(
    name: str, facts: TextFacts, table: TableFacts, decimal: Decimal
) -> tuple[Decimal, Thousands | None]:
    """Decides what 1,234 means from the rest of the table."""
    if decimal == ",":
        return ",", None
    if table.delimiter == ",":  # quoted, in a file that separates fields by the comma
        return ".", ","
    shown = next(text for text in facts.texts if GROUPED.match(text))
    raise InputError(
        f"Column {quoted(name)}: numbers such as {quoted(shown)} have a decimal comma or a "
        "thousands separator, and no value decides which. Write the numbers with a decimal point."
    )


def _suffix(facts: TextFacts) -> str:
    """The one suffix that most texts of the column have, such as `bar` or `%`."""
    if len(facts.suffixes) != 1:
        return ""
    [(suffix, hits)] = facts.suffixes.items()
    if _HIDDEN.fullmatch(suffix):  # 941xx is an area, not 941 of a unit
        return ""
    return suffix if hits >= 0.5 * min(facts.num_texts, sum(facts.texts.values())) else ""


def _with_text(
    facts: TextFacts, suffix: str, prefix: str, decimal: Decimal
) -> tuple[ColumnFormat, int | None]:
    texts = pa.array(list(facts.texts)).cast(pa.binary())
    bare = ColumnFormat(type="number", suffix=suffix, prefix="" if suffix else prefix)
    best: tuple[int, ColumnFormat] = (0, bare)
    order = sorted([(".", None), *NUMBER_FORMATS], key=lambda f: f[0] != decimal)
    for mark, thousands in order:
        form = replace(bare, decimal=None if mark == "." else mark, thousands=thousands)
        _, bad = contract.read_column(texts, form, default_marks=())
        if int((~bad).sum()) > best[0]:
            best = int((~bad).sum()), form
    share = best[0] / len(facts.texts)
    # The kept texts stand for all: of very many only the most frequent are kept.
    return best[1], round(share * facts.num_texts) if best[0] else None


def _number_reason(form: ColumnFormat) -> str:
    parts = ["a decimal comma"] if form.decimal == "," else []
    if form.thousands:
        parts.append("blanks" if form.thousands == " " else f"the mark {quoted(form.thousands)}")
        parts[-1] += " between thousands"
    parts += [f"the unit {quoted(form.suffix)}"] if form.suffix else []
    parts += [f"{quoted(form.prefix)} before them"] if form.prefix else []
    return f"numbers with {' and '.join(parts)}" if parts else ""


def _with_sentinels(facts: TextFacts, written: Written) -> Written:
    """Adds the numbers that stand for a missing value."""
    sentinels = find_sentinels(facts, written.form)
    if not sentinels:
        return written
    why = sentinel_words(sentinels)
    return replace(
        written,
        marks=(*written.marks, *sentinel_marks(list(sentinels))),
        reason=f"{written.reason}; {why}" if written.reason else why,
    )


def _digits_of_names(facts: TextFacts) -> int | None:
    """The length of names such as 007, if all have the same."""
    is_signed = facts.limits is not None and facts.limits[0] < 0
    if not facts.leading_zeros or is_signed or len(facts.widths) != 1:
        return None
    return min(facts.widths)


def _as_text(facts: TextFacts) -> Written:
    reason, digits = "", None
    if facts.all_whole and not facts.num_texts and facts.num_plain:
        reason = "leading zeros" if facts.leading_zeros else "whole numbers beyond 64 bits"
        reason += ", so the values are names and are read as text"
        digits = _digits_of_names(facts)
    words = sorted(set(facts.marked) & _WORDS)
    if not words:
        return Written(
            form=ColumnFormat(type="text", digits=digits),
            reason=reason,
            num_unfit=facts.not_utf8,
            resembles=unread_measurement(facts),
        )
    # A client sends these as they are, so they must be values in the examples too.
    shown = " and ".join(quoted(word) for word in words)
    verb = "is a value" if len(words) == 1 else "are values"
    return Written(
        form=ColumnFormat(type="text", missing=_NOT_WORDS),
        reason=f"{shown} {verb} of this column, not missing",
        num_unfit=facts.not_utf8,
        resembles=unread_measurement(facts),
    )
