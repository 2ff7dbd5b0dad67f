"""Troubles of whole rows: no answer, duplicates, repeated ids, late rows, sampling rates."""

from collections.abc import Iterator

import numpy as np

from measuring.detectors import find_wrong_rate
from models.features import Signal, of_kind
from production.monitoring.chunks.repeats import find_repeats, row_hashes
from production.monitoring.performance.answers import answered
from production.monitoring.troubles.case import BROKEN_SHARE, Case, percent
from production.monitoring.troubles.trouble import Trouble, TroubleKind

# With more equal rows in the training data, equal rows are no duplicates.
_MOST_REPEATED = 0.2
# Clients that count their requests anew each day leave the monitor hardly a row.
_MOSTLY = 0.5


def find_answers_without_value(case: Case) -> Iterator[Trouble]:
    """Yields that answers have no probability or no decision."""
    has_value = np.asarray(answered(case.chunk.records), bool)
    num_without = int((~has_value).sum())
    if num_without:
        share = num_without / len(has_value)
        yield Trouble(
            kind=TroubleKind.NO_VALUE,
            feature=None,
            share=share,
            words=f"{percent(share)} of the answers ({num_without:,}) have no probability in "
            "[0, 1], or no decision. Check whether the model computes NaN for such rows, and "
            "whether clients ask for both outputs.",
            is_broken=share >= BROKEN_SHARE,
        )


def find_duplicates(case: Case) -> Iterator[Trouble]:
    """Yields requests with the features of an earlier one of the chunk, under another id."""
    reference = case.reference
    if not case.num_rows or reference.num_repeated > _MOST_REPEATED * reference.num_rows:
        return
    flags = find_repeats(row_hashes(case.columns))
    # A chunk of more rows than the reference has has more equal ones by chance.
    scale = max(1.0, case.num_rows / reference.num_rows)
    if not case.exceeds(flags, reference.num_repeated, reference.num_rows, scale=scale):
        return
    share = float(flags.mean())
    yield Trouble(
        kind=TroubleKind.DUPLICATES,
        feature=None,
        share=share,
        words=f"{percent(share)} of the rows have the same features as an earlier one, under "
        f"another request id; in the training data "
        f"{percent(reference.num_repeated / reference.num_rows)}. Check whether a client repeats "
        "requests that were answered.",
        is_broken=share >= BROKEN_SHARE,
    )


def find_repeated_ids(case: Case) -> Iterator[Trouble]:
    """Yields that rows were recorded again under the same request id."""
    num_repeated = case.chunk.num_repeated
    if num_repeated:
        share = num_repeated / (num_repeated + case.num_rows)
        yield Trouble(
            kind=TroubleKind.REPEATED_IDS,
            feature=None,
            share=share,
            words=f"{num_repeated:,} rows were recorded again under a request id that the chunk, "
            "or the one before, has already; each counts once. Clients must give each request an "
            "id of its own.",
            is_broken=share > _MOSTLY,
        )


def find_late_rows(case: Case) -> Iterator[Trouble]:
    """Yields that rows of earlier chunks came after these were finished."""
    num_late = case.chunk.num_late
    if num_late:
        yield Trouble(
            kind=TroubleKind.LATE_ROWS,
            feature=None,
            share=num_late / (num_late + max(case.num_rows, 1)),
            words=f"{num_late:,} rows of earlier chunks came after these were finished; they "
            "are in no chunk. Check whether a server hung, and the servers' clocks.",
            is_broken=False,
        )


def find_wrong_rates(case: Case) -> Iterator[Trouble]:
    """Yields signals that were sampled at another rate than declared, where rates are recorded."""
    for name, signal in of_kind(case.reference.features, Signal).items():
        column = signal.rate_column or ""
        now = case.columns.numbers.get(column)
        before = case.reference.columns.numbers.get(column)
        if now is None or before is None:
            continue
        flags = find_wrong_rate(now, signal.rate_hz)
        then = int(find_wrong_rate(before, signal.rate_hz).sum())
        if not case.exceeds(flags, then, len(before)):
            continue
        share = float(flags.mean())
        rate = float(np.median(now[flags]))
        yield Trouble(
            kind=TroubleKind.WRONG_RATE,
            feature=name,
            share=share,
            words=f"`{name}` was sampled at {rate:.4g} Hz instead of "
            f"{signal.rate_hz:.4g} Hz in {percent(share)} of the rows, in "
            f"{percent(then / len(before))} of the training data. Set the rate of the recorder.",
            is_broken=share >= BROKEN_SHARE,
        )
