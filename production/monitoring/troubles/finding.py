"""Searches a chunk for troubles of its data."""

from pipeline.config import Config
from pipeline.production_options.collection import redacted
from production.monitoring.budget import Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns, read_columns
from production.monitoring.reference.reference import Reference
from production.monitoring.troubles.case import LEVEL, Case
from production.monitoring.troubles.clock import find_clock_shifts
from production.monitoring.troubles.stuck import find_stuck
from production.monitoring.troubles.swapped import find_swapped
from production.monitoring.troubles.trouble import Trouble, TroubleKind
from production.monitoring.troubles.units import find_wrong_units
from production.monitoring.troubles.values import (
    find_missing,
    find_unreadable,
    find_unseen_categories,
)
from production.monitoring.troubles.whole_rows import (
    find_answers_without_value,
    find_duplicates,
    find_late_rows,
    find_repeated_ids,
    find_wrong_rates,
)

_SEARCHES = (
    find_answers_without_value,
    *(find_unreadable, find_missing, find_unseen_categories, find_swapped, find_wrong_units),
    *(find_wrong_rates, find_stuck, find_clock_shifts, find_duplicates),
    *(find_repeated_ids, find_late_rows),
)
# All requests of the chunk failed, or were recorded before.
_OF_NO_ROWS = (find_repeated_ids, find_late_rows)


def find_troubles(
    chunk: Chunk, reference: Reference, config: Config, *, columns: Columns | None = None
) -> list[Trouble]:
    """Returns the troubles of a chunk's data, those that make it broken first.

    Args:
        chunk: The chunk.
        reference: The training data of its version.
        config: The use case.
        columns: The chunk's features, if they were read already.
    """
    searches = _SEARCHES if chunk.records.num_rows else _OF_NO_ROWS
    if columns is None:
        skip = redacted(config.collection)
        columns = read_columns(chunk.records, reference.features, skip=skip)
    # Short chunks are many a year: their part of the budget may allow less.
    chance = min(LEVEL, 1 / threshold_of(config.monitoring, Part.BROKEN_DATA))
    case = Case(chunk=chunk, columns=columns, reference=reference, chance=chance)
    troubles = [trouble for search in searches for trouble in search(case)]
    # What else is wrong with swapped columns follows from that.
    swapped = {one.feature for one in troubles if one.kind is TroubleKind.SWAPPED}
    troubles = [
        one
        for one in troubles
        if one.kind is TroubleKind.SWAPPED or one.feature is None or one.feature not in swapped
    ]
    return sorted(troubles, key=lambda trouble: not trouble.is_broken)
