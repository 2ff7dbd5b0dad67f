"""Numbers that stand for a missing value, such as -9999, or 0 among times since 1970."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.column_format import ColumnFormat
from pipeline.counting import count
from pipeline.onboarding.profile.text_facts import MIN_MEASURED, SENTINELS, TextFacts
from pipeline.reading import times

_NO_TIME = (0.0, -1.0)


def find_sentinels(facts: TextFacts, form: ColumnFormat | None) -> dict[float, int]:
    """Returns the numbers that mean a missing value in a column, and how often each occurs.

    They are repeated, extreme and far from all others; or 0 or -1 among times since 1970.

    Args:
        facts: The column.
        form: How its numbers are written.
    """
    finite = _finite_numbers(facts, form)
    sentinels = [n for n in SENTINELS if _is_sentinel(n, finite)]
    sentinels += [n for n in _NO_TIME if n not in sentinels and _is_no_time(n, finite)]
    return {number: finite[number] for number in sentinels}


def sentinel_words(sentinels: Mapping[float, int]) -> str:
    """Says which numbers mean a missing value."""
    shown = " and ".join(f"{n:g} ({count(hits, 'row')})" for n, hits in sentinels.items())
    verb = "is" if len(sentinels) == 1 else "are"
    means = "means" if len(sentinels) == 1 else "mean"
    return f"{shown} {verb} far outside the other values and {means} missing"


def sentinel_marks(sentinels: Sequence[float]) -> tuple[str, ...]:
    """Returns the numbers as missing marks."""
    return tuple(str(int(n)) if n.is_integer() and abs(n) < 1e15 else repr(n) for n in sentinels)


def _finite_numbers(facts: TextFacts, form: ColumnFormat | None) -> Counter[float]:
    """The column's numbers, those in its own format among them, and how often each occurs."""
    numbers = Counter({n: c for n, c in facts.numbers.items() if np.isfinite(n) and c})
    for text, number in (facts.read_texts(form) if form is not None else {}).items():
        if np.isfinite(number):
            numbers[number] += facts.texts[text]
    return numbers


def _is_sentinel(number: float, finite: Mapping[float, int]) -> bool:
    if finite.get(number, 0) < 3:
        return False
    others = np.array([n for n in finite if n not in SENTINELS])
    if len(others) < MIN_MEASURED:
        return False
    spread = float(np.ptp(others))
    nearest = float(np.min(np.abs(others - number)))
    outside = number < others.min() or number > others.max()
    # Below zero where nothing else is, a smaller distance tells as much.
    lone_negative = number < 0 <= others.min()
    return bool(outside and nearest > (spread / 2 if lone_negative else 2 * spread))


def _is_no_time(number: float, finite: Mapping[float, int]) -> bool:
    """Tells whether a number stands for a missing time among times since 1970 in one unit."""
    others = np.array([n for n in finite if n not in _NO_TIME])
    if not finite.get(number) or len(others) < MIN_MEASURED:
        return False
    low, high = float(others.min()), float(others.max())
    return any(
        low / per_second >= times.FIRST_S and high / per_second <= times.LAST_S
        for per_second in times.PER_SECOND.values()
    )
