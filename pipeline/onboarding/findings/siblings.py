"""Columns that look like consequences of the fault, by their names beside the label's."""

import numpy as np
import numpy.typing as npt

from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import quoted, words_of
from pipeline.reading.contract import TRUE, truth_of

_FAULT_WORDS = {
    "fail", "failed", "fails", "failing", "failure", "failures", "fault", "faulty", "faults",
    "defect", "defective", "broken", "broke", "alarm", "anomaly", "anomalous", "error",
    "damage", "damaged", "leak", "leaked", "trip", "tripped", "quench", "quenched", "breakdown",
    "outage", "target", "label",
}  # fmt: skip
# A count of earlier faults is known before the next one.
_EARLIER_WORDS = {"last", "previous", "prev", "past", "earlier", "before", "history", "since"}
_REMAINING_WORDS = {"rul", "ttf", "remaining"}
_UNTIL_WORDS = {"to", "until", "till", "before", "next"}
_DURATION_WORDS = {"cycles", "days", "hours", "life", "minutes", "months", "time", "weeks", "years"}
# Words after that of the fault in names such as `failure_type`.
_OF_A_FAULT = {"class", "code", "flag", "kind", "mode", "type"}
_STEMS = {
    word: min(words)
    for words in (
        {"fail", "failed", "fails", "failure", "failures", "failing"},
        {"fault", "faulty", "faults"},
        {"defect", "defects", "defective"},
        {"broken", "broke", "breakdown"},
        {"anomaly", "anomalous", "anomalies"},
        {"damage", "damaged"},
        {"leak", "leaked"},
        {"trip", "tripped"},
        {"quench", "quenched"},
    )
    for word in words
}
_MAX_VALUES = 20
# Words of faults that readings have too, such as a leak rate or the target of a controller.
_READING_WORDS = {"alarm", "error", "leak", "trip", "damage", "target", "label"}
# What people write down once they know of the fault.
_AFTERWARDS = {
    "cause", "causes", "claim", "confirmed", "diagnosed", "diagnosis", "downtime", "outcome",
    "reason", "reasons", "repair", "repaired", "replaced", "replacement", "resolution", "resolved",
    "result", "ticket", "verdict", "workorder",
}  # fmt: skip


def sibling_reason(column: Column, label: str) -> str | None:
    """Returns why a column may be known only after the fault, or None.

    Args:
        column: The column.
        label: Name of the label column.
    """
    words, of_label = words_of(column.name), words_of(label)
    if not words or not of_label:
        return None
    if _REMAINING_WORDS & set(words) or _is_time_until_fault(words, of_label):
        return "its name is that of the time left until the fault"
    ends = {words[0], words[-1], *(words[-2:-1] if words[-1] in _OF_A_FAULT else ())}
    stems = {_stem(word) for word in (of_label[0], of_label[-1])}
    shared = {word for word in ends & _FAULT_WORDS if _stem(word) in stems}
    few = column.kind in ("text", "truth", "int") and column.num_distinct <= _MAX_VALUES
    if not shared or not few or _EARLIER_WORDS & set(words):
        return None
    word = sorted(shared)[0]
    return f"its name is like that of the label {quoted(label)} ({quoted(word)})"


def consequence_reason(name: str, label: str) -> str:
    """Returns why a name is that of a consequence of the fault, or an empty text.

    For columns that mark the faults almost alone; a name by itself proves little.

    Args:
        name: Name of the column.
        label: Name of the label column.
    """
    words = set(words_of(name))
    if words & _EARLIER_WORDS:
        return ""
    shared = words & (_FAULT_WORDS - _READING_WORDS | _FAULT_WORDS & set(words_of(label)))
    if shared:
        return f"its name is that of a fault ({quoted(sorted(shared)[0])})"
    afterwards = sorted(words & _AFTERWARDS)
    return f"its name is that of a consequence ({quoted(afterwards[0])})" if afterwards else ""


def num_flagged(column: Column, rows: npt.NDArray[np.bool_]) -> int:
    """Returns in how many of some sampled rows a flag is set; 0 if the column is no flag.

    Args:
        column: The column: a flag has only the values 0 and 1, or two truth values.
        rows: bool [sampled rows].
    """
    present = column.sample[column.codes >= 0]
    if column.is_number:
        is_flag = bool(np.isin(present, (0, 1)).all())
        return int((column.sample[rows] == 1).sum()) if is_flag else 0
    if column.kind not in ("text", "truth") or column.num_distinct > 2:
        return 0
    truths = {text: truth_of(text) for text in set(present.tolist())}
    if None in truths.values():
        return 0
    return sum(truths.get(text) == TRUE for text in column.sample[rows].tolist())


def _stem(word: str) -> str:
    return _STEMS.get(word, word)


def _is_time_until_fault(words: list[str], of_label: list[str]) -> bool:
    if words[-1] == "left" and _DURATION_WORDS & set(words):
        return True
    places = [place for place, word in enumerate(words) if word in _UNTIL_WORDS]
    # `days_to_relapse` beside `relapse`, but not `distance_to_site` beside `site`.
    is_duration = bool(_DURATION_WORDS & set(words[:1]))
    faults = _FAULT_WORDS | (set(of_label) if is_duration else set())
    return any(faults & set(words[place + 1 :]) for place in places)
