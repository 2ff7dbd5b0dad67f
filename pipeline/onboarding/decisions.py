"""Decisions of the person on the command line, in place of those of `init`."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from common.errors import InputError
from pipeline.onboarding.profile.words import quoted

Strategy = Literal["stratified", "group", "time", "blocks"]
KindName = Literal["numeric", "heavy_tailed", "bucketized", "categorical", "time"]
_STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
_KINDS: tuple[KindName, ...] = get_args(KindName)
_MAX_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The person's decisions; `init` decides the rest.

    Attributes:
        keep: Columns that are features, whatever speaks against them.
        leave_out: Columns that are no features.
        group: The column by which examples are split as groups.
        time: The column that holds the time, by which examples are split.
        split: The split strategy.
        kinds: Feature kind by column; such a column is a feature.
    """

    keep: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    split: Strategy | None = None
    kinds: Mapping[str, KindName] = field(default_factory=dict)

    @property
    def kept(self) -> frozenset[str]:
        """The columns that must be features."""
        return frozenset((*self.keep, *self.kinds))

    @property
    def strategy(self) -> Strategy | None:
        """The split strategy that the decisions ask for."""
        if self.split is None and self.group is not None:
            return "group"
        return "time" if self.split is None and self.time is not None else self.split

    @property
    def flags(self) -> list[str]:
        """The decisions as they are given on the command line."""
        flags = [f"--keep {name}" for name in self.keep]
        flags += [f"--leave-out {name}" for name in self.leave_out]
        flags += [f"--kind {name}={kind}" for name, kind in self.kinds.items()]
        one = {"group": self.group, "time": self.time, "split": self.split}
        return flags + [f"--{flag} {value}" for flag, value in one.items() if value is not None]


def make_decisions(
    *,
    keep: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    group: Sequence[str] = (),
    time: Sequence[str] = (),
    split: Sequence[str] = (),
    kind: Sequence[str] = (),
) -> Decisions:
    """Returns the decisions of command line options, each of which may be repeated.

    Raises:
        InputError: Two decisions contradict each other, or one is no strategy or kind.
    """
    decisions = Decisions(
        keep=tuple(dict.fromkeys(keep)),
        leave_out=tuple(dict.fromkeys(leave_out)),
        group=_single("--group", group),
        time=_single("--time", time),
        split=_choice("--split", _single("--split", split), _STRATEGIES),
        kinds=_kinds(kind),
    )
    for contradiction in _contradictions(decisions):
        raise InputError(contradiction)
    return decisions


def _single(flag: str, values: Sequence[str]) -> str | None:
    different = list(dict.fromkeys(values))
    if len(different) > 1:
        raise InputError(f"{flag} is {' and '.join(map(quoted, different))}. Give one of them.")
    return different[0] if different else None


def _choice(flag: str, value: str | None, choices: Sequence[Any]) -> Any:
    if value is None or value in choices:
        return value
    raise InputError(f"{flag} {value!r} is none of {', '.join(choices)}.{_hint(value, choices)}")


def _kinds(texts: Sequence[str]) -> dict[str, KindName]:
    kinds: dict[str, KindName] = {}
    for text in texts:
        # A column's name may contain the sign, a kind does not.
        name, sign, kind = text.rpartition("=")
        if not sign or not name:
            raise InputError(f"--kind {text!r} must be COLUMN=KIND, such as `pressure=numeric`.")
        chosen = _choice(f"--kind {name}", kind, _KINDS)
        if kinds.setdefault(name, chosen) != chosen:
            raise InputError(f"--kind makes {quoted(name)} {kinds[name]} and {chosen}. Give one.")
    return kinds


def _contradictions(decisions: Decisions) -> Iterator[str]:
    out = set(decisions.leave_out)
    for name in sorted(out & decisions.kept):
        flag = "--keep" if name in decisions.keep else "--kind"
        yield f"{quoted(name)} cannot be a feature ({flag}) and be left out (--leave-out)."
    if decisions.group is not None and decisions.group == decisions.time:
        yield f"{quoted(decisions.group)} cannot be both the group and the time of the split."
    if decisions.group and decisions.time and decisions.split is None:
        yield "--group and --time are two splits. Add `--split group` or `--split time`."
    for flag, value, strategy in (
        ("--group", decisions.group, "group"),
        ("--time", decisions.time, "time"),
    ):
        both = decisions.group is not None and decisions.time is not None
        if value and decisions.split not in (None, strategy) and not both:
            yield f"{flag} {value} contradicts `--split {decisions.split}`. Remove one of them."
    if decisions.group and decisions.time and decisions.split not in (None, "group", "time"):
        yield f"`--split {decisions.split}` contradicts --group and --time. Remove it or them."


def check_columns(
    decisions: Decisions,
    columns: Collection[str],
    *,
    label: str,
    file: str,
    signals: Collection[str] = (),
) -> None:
    """Checks that all columns of the decisions exist and that none is the label.

    Args:
        decisions: The decisions.
        columns: Names of the columns without the label.
        label: The label column.
        file: Name of the data file, for the message.
        signals: Names of signals made of numbered columns, which can only be left out.

    Raises:
        InputError: Names the flag, the column, the file and the nearest column.
    """
    for flag, name in _named(decisions):
        if name == label:
            raise InputError(
                f"{flag} {name}: {quoted(name)} is the label, which is neither a feature nor a "
                "column to split by. Name another column."
            )
        is_signal = flag == "--leave-out" and name in signals
        if name not in columns and not is_signal:
            shown = ", ".join(quoted(one) for one in list(columns)[:_MAX_LISTED])
            more = f" and {len(columns) - _MAX_LISTED} more" if len(columns) > _MAX_LISTED else ""
            raise InputError(
                f"{flag}: {file} has no column {quoted(name)}.{_hint(name, columns)} Its columns: "
                f"{shown}{more}."
            )


def _named(decisions: Decisions) -> Iterator[tuple[str, str]]:
    yield from (("--keep", name) for name in decisions.keep)
    yield from (("--leave-out", name) for name in decisions.leave_out)
    yield from (("--kind", name) for name in decisions.kinds)
    if decisions.group is not None:
        yield "--group", decisions.group
    if decisions.time is not None:
        yield "--time", decisions.time


def _hint(name: str, names: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" Did you mean {quoted(by_lower[near[0]])}?" if near else ""
