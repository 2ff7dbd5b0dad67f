"""Numbers with a mark between thousands, and whether that mark may be a decimal mark."""

import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.onboarding.profile.text_facts import SENTINELS, TextFacts
from pipeline.onboarding.profile.words import quoted
from pipeline.reading import contract

_MIN_FIXED = 20  # numbers that show whether all of a column have decimals
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


def has_decimals(facts: TextFacts, form: ColumnFormat) -> bool:
    """Tells whether every number has the decimal mark, in a column of a mark between thousands."""
    if form.thousands not in (".", ",") or facts.num_present < _MIN_FIXED:
        return False
    mark = form.decimal or "."
    plain = facts.pointless + (facts.pointed if mark == "," else 0)
    return not plain and not any(mark not in text for text, _ in _read_texts(facts, form))


def _read_texts(facts: TextFacts, form: ColumnFormat) -> list[tuple[str, float]]:
    """The texts that are no plain numbers, and the numbers that a format reads in them."""
    texts = list(facts.texts)
    numbers, _ = contract.read_column(
        pa.array(texts, pa.string()).cast(pa.binary()), form, default_marks=()
    )
    return [(t, n) for t, n in zip(texts, numbers.to_pylist(), strict=True) if n is not None]


def check_grouping(name: str, facts: TextFacts, form: ColumnFormat) -> None:
    """Checks that no numbers such as 72.470 among 1.234,56 need a decimal point to be in range.

    Raises:
        InputError: All of them are far above all others, and among them if divided by 1,000.
    """
    if form.thousands not in (".", ","):
        return
    sure = [n for text, n in _read_texts(facts, form) if (form.decimal or ".") in text]
    doubtful = [n for text, n in _read_texts(facts, form) if (form.decimal or ".") not in text]
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
