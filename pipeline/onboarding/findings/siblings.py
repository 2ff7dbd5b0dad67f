"""Columns that look like consequences of the fault, by their names beside the label's."""

from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import quoted, words_of

_FAULT_WORDS = {
    "fail", "failed", "fails", "failure", "failures", "fault", "faulty", "faults", "defect",
    "defective", "broken", "broke", "alarm", "anomaly", "anomalous", "error", "damage", "damaged",
    "leak", "leaked", "trip", "tripped", "quench", "quenched", "breakdown", "outage", "target",
    "label",
}  # fmt: skip
# A count of earlier faults is known before the next one.
_EARLIER_WORDS = {"last", "previous", "prev", "past", "earlier", "before", "history", "since"}
_REMAINING_WORDS = {"rul", "ttf", "remaining"}
_UNTIL_WORDS = {"to", "until", "till", "before"}
_MAX_VALUES = 20


def sibling_reason(column: Column, label: str) -> str | None:
    """Returns why a column may be known only after the fault, or None.

    Args:
        column: The column.
        label: Name of the label column.
    """
    words, of_label = words_of(column.name), words_of(label)
    if not words or not of_label:
        return None
    if _REMAINING_WORDS & set(words) or _is_time_until_fault(words):
        return "its name is that of the time left until the fault"
    shared = {words[0], words[-1]} & {of_label[0], of_label[-1]} & _FAULT_WORDS
    few = column.kind in ("text", "truth", "int") and column.num_distinct <= _MAX_VALUES
    if not shared or not few or _EARLIER_WORDS & set(words):
        return None
    word = sorted(shared)[0]
    return f"its name is like that of the label {quoted(label)} ({quoted(word)})"


def _is_time_until_fault(words: list[str]) -> bool:
    places = [place for place, word in enumerate(words) if word in _UNTIL_WORDS]
    return any(_FAULT_WORDS & set(words[place + 1 :]) for place in places)
