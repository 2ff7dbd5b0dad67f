"""Choice of the label value that marks the rare fault."""

import difflib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from common.errors import InputError
from pipeline.components.arrow_example_gen.splitting.shares import MIN_POSITIVES
from pipeline.components.arrow_example_gen.splitting.splits import NUM_SPLITS
from pipeline.counting import count
from pipeline.onboarding.profile.words import quoted, words_of
from pipeline.reading.contract import FALSE, FALSE_WORDS, TRUE, TRUE_WORDS, truth_of
from pipeline.reading.files import csv_streams
from pipeline.reading.files.csv_header import has_value, trimmed
from pipeline.reading.files.pieces import Piece
from pipeline.reading.files.sheets import sheet_line
from pipeline.reading.ingest_spec import canonical_label

MIN_NEGATIVES = 3  # one for each split
MIN_EXAMPLES = 20
_MAX_CLASSES = 30
_MAX_LISTED = 12
_MAX_TITLE_LINES = 50
# For a label this balanced, the counts do not reveal which value is the fault.
_BALANCED_SHARE = 0.3
_FAULTY = {
    "true", "yes", "y", "t", "fault", "faulty", "fail", "failed", "failure", "anomaly",
    "anomalous", "abnormal", "broken", "broke", "defect", "defective", "positive", "pos", "bad",
    "nok", "not ok", "ng", "error", "alarm", "attack", "fraud", "damaged", "leak", "quench",
    "defekt", "n.i.o.", "nio", "schlecht", "d\u00e9faut", "dead", "deceased", "died", "churned",
    "defaulted", "rejected", "sick", "diseased", "unstable", "unhealthy", "malignant", *TRUE_WORDS,
}  # fmt: skip
_HEALTHY = {
    "false", "no", "n", "f", "ok", "okay", "good", "normal", "healthy", "none", "negative", "neg",
    "pass", "passed", "benign", "nominal", "intact", "functional", "i.o.", "io", "gut", "gesund",
    "alive",
    "survived", "censored", "stable", "accepted", "approved", *FALSE_WORDS,
}  # fmt: skip

# Words of a label's name that say what its truth values mean.
_FAULT_NAMES = (_FAULTY - {"y", "t", "pos", "positive", *TRUE_WORDS}) | {
    "accident", "bankrupt", "bankruptcy", "breakdown", "cancer", "churn", "churned", "complication",
    "crash", "dead", "death", "default", "defaulted", "denied", "died", "disease", "infected",
    "infection", "mortality", "recurrence", "reject", "rejected", "relapse", "sick", "stroke",
}  # fmt: skip
_HEALTHY_NAMES = {
    "accepted", "alive", "approved", "compliant", "functional", "good", "healthy", "intact",
    "normal", "ok", "okay", "operational", "paid", "pass", "passed", "passes", "repaid",
    "retained", "stable", "success", "successful", "survival", "survived", "valid", "working",
}  # fmt: skip
_NEGATIONS = {"no", "non", "not"}
# What people write where they do not know the label.
_UNKNOWN = {
    "unknown", "unk", "not known", "not available", "not recorded", "not tested", "untested",
    "undetermined", "pending", "tbd", "missing", "?", "unbekannt", "unklar", "inconnu",
    "desconocido", "sconosciuto", "onbekend", "desconhecido",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LabelChoice:
    """The chosen positive value of the label.

    Attributes:
        positive: Its canonical text; of several, all of them.
        num_positive: Rows with it.
        num_negative: Rows with another value.
        reason: Why it was chosen.
        negative: The negative value, if all others are positive.
        values: All values of the label.
    """

    positive: str
    negative: str = ""
    values: tuple[str, ...]
    num_positive: int
    num_negative: int
    reason: str

    @property
    def prevalence(self) -> float:
        """Share of the positive class, in (0, 1)."""
        return self.num_positive / (self.num_positive + self.num_negative)


def missing_label_error(label: str, names: Sequence[str], piece: Piece) -> InputError:
    """Returns the error for data without the label column."""
    file = piece.path
    near = difflib.get_close_matches(label, names, n=1)
    hint = f" Did you mean {quoted(near[0])}?" if near else ""
    shown = ", ".join(quoted(name) for name in names[:_MAX_LISTED])
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    line = _header_line(label, piece)
    if line:
        hint = f" Line {line} has it: if that is the header, delete the lines above it."
    elif piece.format in ("csv", "sheet") and piece.layout.header is None and has_value(names):
        hint = (
            " Its first line may be data: if the file has no header, name the columns with "
            "--header NAME,NAME,…"
        )
    return InputError(f"{file} has no column {quoted(label)}.{hint} Its columns: {shown}{more}.")


def _header_line(label: str, piece: Piece) -> int:
    """Returns the first line with the label, below lines of titles or remarks; 0 if none has it."""
    if piece.format == "sheet":
        return sheet_line(piece, label)
    if piece.format != "csv":
        return 0
    with csv_streams.open_text(piece, errors="replace") as text:
        for number, line in enumerate(islice(text, _MAX_TITLE_LINES), 1):
            if label in (trimmed(cell.strip('"')) for cell in re.split(r"[,;|\t]", line.strip())):
                return number
    return 0


def unknown_values(values: Collection[str], positive: str | None) -> tuple[str, ...]:
    """Returns the label values that mean that the label is not known: neither fault nor healthy.

    Args:
        values: All values of the label, in canonical text.
        positive: The value requested by the user, or None.
    """
    wanted = None if positive is None else _as_written(canonical_label(positive), values)
    unknown = {one for one in values if one.lower() in _UNKNOWN and one != wanted}
    return tuple(sorted(unknown)) if len(values) - len(unknown) > 1 else ()


def choose_positive(
    label: str, classes: Mapping[str, int], positive: str | None, negative: str | None = None
) -> LabelChoice:
    """Returns the positive value: the requested one, or the one that appears to be the fault.

    Args:
        label: The label column.
        classes: Number of rows by canonical label value.
        positive: The value requested by the user, or None.
        negative: The value requested as the one that is no fault, or None.

    Raises:
        InputError: There are fewer than two classes, too few examples of one, or more than two
            classes and no requested value, or nothing says which of two is the fault.
    """
    _check_classes(label, classes)
    if negative is not None:
        healthy = _requested(label, classes, negative, "--negative")
        chosen = ", ".join(value for value in classes if value != healthy)
        reason = f"all but {quoted(healthy)}, set with --negative"
        merged = {healthy: classes[healthy], chosen: sum(classes.values()) - classes[healthy]}
        choice = _checked_choice(label, merged, chosen, reason)
        return replace(choice, negative=healthy, values=tuple(classes))
    if positive is not None:
        chosen = _requested(label, classes, positive, "--positive")
        reason = "set with --positive"
    elif len(classes) > 2:
        raise InputError(
            f"The label {quoted(label)} has {len(classes)} values: {_listed(classes)}. "
            "Name the fault with --positive VALUE; all other values count as healthy. Or name the "
            "healthy value with --negative VALUE; all other values count as faults."
        )
    else:
        chosen, reason = _guess(label, classes)
    return _checked_choice(label, classes, chosen, reason)


def _requested(label: str, classes: Mapping[str, int], value: str, flag: str) -> str:
    """The class that a flag names, as it is written."""
    chosen = _as_written(canonical_label(value), classes)
    if chosen not in classes:
        raise InputError(
            f"The label {quoted(label)} never has the value {quoted(value)}. "
            f"It has {_listed(classes)}. Pass one of them with {flag}."
        )
    return chosen


def _as_written(value: str, classes: Collection[str]) -> str:
    """Returns the one class that is `value` in another case, or the value itself."""
    alike = [one for one in classes if one.lower() == value.lower()]
    return alike[0] if len(alike) == 1 else value


def _check_classes(label: str, classes: Mapping[str, int]) -> None:
    if not classes:
        raise InputError(f"The label {quoted(label)} is empty in every row. Name another column.")
    if len(classes) == 1:
        raise InputError(
            f"The label {quoted(label)} has only one value: {_listed(classes)}. A model needs "
            "examples of both classes; add rows of the other one. A row without a value has no "
            "label: if it is healthy, write that."
        )
    if len(classes) > _MAX_CLASSES:
        raise InputError(
            f"The label {quoted(label)} has {count(len(classes), 'distinct value')}, such as "
            f"{_listed(dict(list(classes.items())[:3]))}: it appears to be a measurement or free "
            "text, not a class. Name a column with two values, or create one, such as "
            "`value > limit`."
        )


def _checked_choice(
    label: str, classes: Mapping[str, int], chosen: str, reason: str
) -> LabelChoice:
    twins = [value for value in classes if value != chosen and _are_alike(value, chosen)]
    if twins:
        listed = ", ".join(f"{quoted(v)} ({count(classes[v], 'row')})" for v in (chosen, *twins))
        raise InputError(
            f"The label {quoted(label)} has values that differ only in case or language: {listed}. "
            "They would be two classes. Write them alike in the data."
        )
    choice = LabelChoice(
        positive=chosen,
        num_positive=classes[chosen],
        num_negative=sum(classes.values()) - classes[chosen],
        reason=reason,
        values=tuple(classes),
    )
    least = NUM_SPLITS * MIN_POSITIVES
    if choice.num_positive < least or choice.num_negative < MIN_NEGATIVES:
        raise InputError(
            f"The label {quoted(label)} has {_listed(classes)}; positive is {quoted(chosen)}. Each "
            f"of the three splits needs {MIN_POSITIVES} positives and a negative, so at least "
            f"{least} and {MIN_NEGATIVES}. Add rows of the rare class."
        )
    if choice.num_positive + choice.num_negative < MIN_EXAMPLES:
        raise InputError(
            f"There are {choice.num_positive + choice.num_negative} examples; a model needs at "
            f"least {MIN_EXAMPLES}, and hundreds to be useful. Add rows."
        )
    return choice


def _are_alike(value: str, other: str) -> bool:
    """Tells whether two values are one in another case, or one truth value; a letter is none."""
    if value.lower() == other.lower():
        return True
    truths = {truth_of(value), truth_of(other)}
    is_letter = any(len(text) == 1 and text.isalpha() for text in (value, other))
    return not is_letter and len(truths) == 1 and None not in truths


def _guess(label: str, classes: Mapping[str, int]) -> tuple[str, str]:
    rare, common = sorted(classes, key=lambda value: classes[value])
    share = classes[rare] / sum(classes.values())
    by_truth = {truth_of(value): value for value in classes}
    if set(by_truth) == {TRUE, FALSE}:
        meaning = _meaning_of_name(label)
        if meaning == "healthy":
            return by_truth[FALSE], f"{quoted(label)} says that a row is healthy"
        if meaning == "faulty" and by_truth[TRUE] == common == "1":
            return common, f"{quoted(label)} names a fault, although `1` is not the rarer value"
        if meaning is None and by_truth[TRUE] == common != "1" and share < _BALANCED_SHARE:
            raise InputError(
                f"The label {quoted(label)} has {_listed(classes)}. Neither its name nor the counts"
                f" say which value is the fault. Name it with --positive {shlex.quote(common)} or "
                f"--positive {shlex.quote(rare)}."
            )
    faulty = [value for value in classes if value.lower() in _FAULTY]
    healthy = [value for value in classes if value.lower() in _HEALTHY]
    if len(faulty) != 1 and len(healthy) == 1:
        faulty = [value for value in classes if value not in healthy]
    # `1` is ambiguous: in a test it may mean passed. A word is not.
    is_named = len(faulty) == 1 and (faulty[0] != "1" or share >= _BALANCED_SHARE)
    if is_named and faulty[0] != rare:
        return common, f"{quoted(common)} denotes a fault, although it is not the rarer value"
    if is_named:
        return rare, f"the rarer value, and {quoted(rare)} denotes a fault"
    return rare, "the rarer value"


def _meaning_of_name(label: str) -> Literal["healthy", "faulty"] | None:
    """Returns what a true value of the label means by its name, such as `passed` or `not_ok`."""
    words = set(words_of(label))
    # 1 of `survival_status` may be either; 1 of `survived` is not.
    is_good = bool(words & _HEALTHY_NAMES) and "status" not in words
    is_bad = bool(words & _FAULT_NAMES)
    if is_good == is_bad:
        return None
    return "healthy" if is_good != bool(words & _NEGATIONS) else "faulty"


def _listed(classes: Mapping[str, int]) -> str:
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    shown = ", ".join(
        f"{quoted(value)} ({count(number, 'row')})" for value, number in ordered[:_MAX_LISTED]
    )
    more = f" and {len(ordered) - _MAX_LISTED} more" if len(ordered) > _MAX_LISTED else ""
    return shown + more
