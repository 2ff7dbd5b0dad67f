"""Division of the budget of false alarms among the kinds of alarm."""

from enum import StrEnum

from common.errors import InputError
from measuring.monitoring.alarms import chunks_between_alarms
from pipeline.production_options.monitoring import MonitoringOptions


class Part(StrEnum):
    """A part of the budget."""

    DRIFT = "drift"
    BROKEN_DATA = "broken_data"
    ESTIMATED_LOSS = "estimated_loss"
    OPERATIONS = "operations"


# Half for drift, which has most channels. The parts add up to the whole budget, so that false
# alarms of all kinds together keep it, whatever the dependence of the kinds.
SHARES = {
    Part.DRIFT: 1 / 2,
    Part.BROKEN_DATA: 1 / 4,
    Part.ESTIMATED_LOSS: 1 / 8,
    Part.OPERATIONS: 1 / 8,
}
# A promise is tested over the life of a version, not a year: each of two tests errs at most once in
# so many versions.
VERSIONS_PER_FALSE_ALARM = 40


def threshold_of(options: MonitoringOptions, part: Part) -> float:
    """Returns the least expected number of chunks between false alarms of a part.

    Raises:
        InputError: The budget allows more false alarms than there are chunks.
    """
    chunks_per_year = options.chunk.chunks_per_year
    budget = SHARES[part] * options.false_alarms_per_year
    try:
        return chunks_between_alarms(chunks_per_year=chunks_per_year, false_alarms_per_year=budget)
    except ValueError as error:
        raise InputError(
            f"monitoring.false_alarms_per_year is {options.false_alarms_per_year:g}, which is more "
            f"than {chunks_per_year:g} chunks a year can keep. Lower it, or use shorter chunks."
        ) from error
