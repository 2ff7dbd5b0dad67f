"""Values that are unreadable, missing, or of a category that the training data lack."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from measuring.intervals import proportion_interval
from production.monitoring.chunks.columns import Categories
from production.monitoring.chunks.signals import GAPS, MISSING
from production.monitoring.troubles.case import BROKEN_SHARE, Case, Flags, percent
from production.monitoring.troubles.trouble import Trouble, TroubleKind

_NUM_SHOWN = 3
# New categories of fewer rows may be new customers or machines: drift. The upper limit of the share
# decides, as that of a chunk scatters: if half of the rows are new, no chunk of them is trained on.
_MOSTLY, _CONFIDENCE = 0.5, 0.98


def find_unreadable(case: Case) -> Iterator[Trouble]:
    """Yields features without a readable column, and numbers that are infinite."""
    for name in case.columns.unreadable:
        if name not in case.reference.columns.unreadable:
            yield Trouble(
                kind=TroubleKind.UNREADABLE,
                feature=name,
                share=1.0,
                words=f"`{name}` has no readable column in the records: it is not recorded, "
                "hashed, or of another type in some or all files. The training data have it. Check "
                "`collection.redact`, the clients and the servers' version.",
            )
    for name, values in case.columns.numbers.items():
        flags = np.isinf(values)
        then = int(np.isinf(case.reference.columns.numbers.get(name, np.empty(0))).sum())
        if case.exceeds(flags, then, case.reference.num_rows):
            share = float(flags.mean())
            yield Trouble(
                kind=TroubleKind.UNREADABLE,
                feature=name,
                share=share,
                words=f"`{name}` is infinite in {percent(share)} of the rows; in the training data "
                f"in {percent(then / case.reference.num_rows)}. Check what computes it.",
                is_broken=share >= BROKEN_SHARE,
            )


def find_missing(case: Case) -> Iterator[Trouble]:
    """Yields features that are missing far more often than in the training data."""
    for name, flags in case.columns.missing.items():
        before = case.reference.columns.missing.get(name)
        if before is not None:
            yield from _missing(case, name, "has no value", flags, before)
    for channel, values in case.columns.numbers.items():
        name, _, number = channel.partition(": ")
        then = case.reference.columns.numbers.get(channel)
        is_padded = f"{name}: {GAPS}" in case.columns.numbers
        if number == (GAPS if is_padded else MISSING) and then is not None:
            gaps = (values > 0) & ~case.columns.missing[name]
            gaps_then = (then > 0) & ~case.reference.columns.missing[name]
            yield from _missing(case, name, "has gaps", gaps, gaps_then)


def _missing(case: Case, name: str, what: str, flags: Flags, before: Flags) -> Iterator[Trouble]:
    then, num_then = int(before.sum()), len(before)
    if not case.exceeds(flags, then, num_then):
        return
    share = float(flags.mean())
    yield Trouble(
        kind=TroubleKind.MISSING,
        feature=name,
        share=share,
        words=f"`{name}` {what} in {percent(share)} of the rows, in {percent(then / num_then)} of "
        "the training data. Check the sensor and the connection; if this is usual now, release "
        "the chunk and train with such rows.",
        is_broken=share - then / num_then >= BROKEN_SHARE,
    )


def find_unseen_categories(case: Case) -> Iterator[Trouble]:
    """Yields features with categories that the training data lack.

    They make a chunk broken if half of all such rows may have them, if a category of the training
    data is spelled in another way, or if they are another feature's. Others may be new customers or
    machines.
    """
    for name, now in case.columns.categories.items():
        before = case.reference.columns.categories.get(name)
        if before is None or not before.names:
            continue
        unseen = _Unseen.of(now, before)
        if not unseen.names:
            continue
        counts = list(before.counts().values())
        # Good-Turing estimate: the mass of unseen categories is the share of those seen once.
        once, num_then = counts.count(1), sum(counts)
        variant = unseen.variant(before)
        flags = unseen.flags
        if not case.exceeds(flags, 0 if variant else once, num_then):
            continue
        owner = _owner(case, name, unseen.names)
        share = float(flags.mean())
        hint = f" `{variant[0]}` looks like `{variant[1]}`." if variant else ""
        hint += f" `{owner}` has them in the training data." if owner else ""
        yield Trouble(
            kind=TroubleKind.SWAPPED if owner else TroubleKind.UNSEEN_CATEGORIES,
            feature=name,
            share=share,
            words=f"`{name}` has categories in {percent(share)} of the rows that none of the "
            f"{num_then:,} training rows has: {_listed(unseen.names)}.{hint} Check the spelling "
            "and the order of the columns; if they are new, release the chunk and train with them.",
            is_broken=share >= BROKEN_SHARE if variant or owner else _may_be_half(flags),
        )


class _Unseen(NamedTuple):
    """Categories of a chunk that the training data lack, the most frequent first."""

    names: list[str]
    flags: Flags

    @classmethod
    def of(cls, now: Categories, before: Categories) -> "_Unseen":
        seen = set(before.names)
        is_new = np.array([name not in seen for name in now.names] + [False])
        counts = now.counts()
        names = [name for name in now.names if name not in seen and counts[name]]
        names.sort(key=lambda name: (-counts[name], name))
        return cls(names, np.asarray(is_new[now.codes], bool))

    def variant(self, before: Categories) -> tuple[str, str] | None:
        """The first new category that is a seen one in another spelling, and that."""
        plain = {_plain(name): name for name in before.names}
        pairs = ((name, plain.get(_plain(name))) for name in self.names)
        return next(((name, seen) for name, seen in pairs if seen is not None), None)


def _may_be_half(flags: Flags) -> bool:
    return proportion_interval(int(flags.sum()), len(flags), _CONFIDENCE)[1] >= _MOSTLY


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum()) or name


def _owner(case: Case, name: str, unseen: list[str]) -> str:
    """Another feature that has all of these categories in the training data, and two at least."""
    if len(unseen) < 2:
        return ""
    others = case.reference.columns.categories.items()
    return next((n for n, one in others if n != name and set(unseen) <= set(one.names)), "")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name[:40]}`" for name in names[:_NUM_SHOWN])
    return shown + (f" and {len(names) - _NUM_SHOWN:,} more" if len(names) > _NUM_SHOWN else "")
