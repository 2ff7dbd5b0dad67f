"""Transitions of alarms: raised, repeated and closed, as chunks show and people decide."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from production.monitoring.alarms.book import ACKNOWLEDGED, CLOSED, AlarmBook
from production.monitoring.look import Sign
from production.monitoring.state import MonitorState, Standing, VersionState

# Chunks in a row without a trouble after which its alarms are closed, and chunks of other versions
# after which a version counts as out of service.
QUIET_CHUNKS = 3
_BY = "monitor"

Restart = Callable[[str], None]


def settle(
    book: AlarmBook, version: VersionState, signs: Mapping[str, Sign], restart: Restart
) -> list[str]:
    """Raises, repeats and ends alarms as the signs of a chunk say.

    Args:
        book: The alarms of the model.
        version: State of the version, whose standing alarms are changed.
        signs: Kind of alarm to sign.
        restart: Starts the evidence of a kind of alarm anew.

    Returns:
        Ids of the alarms that were raised or repeated.
    """
    raised = []
    for kind, sign in signs.items():
        standing = version.standing.get(kind, Standing())
        # The evidence of a large change outlasts it: a quiet chunk does not repeat the alarm.
        if sign.finding is not None and not (standing.ids and sign.is_quiet):
            alarm = book.raise_alarm(sign.finding)
            raised.append(alarm.id)
            ids = list(dict.fromkeys([*standing.ids, alarm.id]))
            version.standing[kind] = replace(standing, ids=ids, quiet=0)
        elif standing.ids:
            quiet = standing.quiet + 1 if sign.is_quiet else 0
            version.standing[kind] = replace(standing, quiet=quiet)
            if quiet >= QUIET_CHUNKS:
                why = f"no sign of it in {quiet} chunks in a row"
                version.close(version.standing.pop(kind), why)
                restart(kind)
    return raised


def heed_people(book: AlarmBook, version: VersionState, restart: Restart) -> None:
    """Starts the evidence anew of alarms that a person has acknowledged or closed since.

    Args:
        book: The alarms of the model.
        version: State of the version, whose standing alarms are changed.
        restart: Starts the evidence of a kind of alarm anew.
    """
    if not version.standing:
        return
    states = {state.alarm.id: state for state in book.states()}
    for kind, standing in list(version.standing.items()):
        known = [i for i in standing.ids if i in states]  # not if the journal was moved aside
        decided = [i for i in known if states[i].status in {ACKNOWLEDGED, CLOSED}]
        if set(decided) - set(standing.acknowledged):
            restart(kind)
        ids = [i for i in known if states[i].is_open]
        if ids:
            acknowledged = [i for i in ids if i in decided]
            version.standing[kind] = replace(standing, ids=ids, acknowledged=acknowledged)
        else:
            del version.standing[kind]


def retire(state: MonitorState, number: int) -> None:
    """Ends the alarms of versions that no longer answer.

    Args:
        state: State of all versions.
        number: Number of the newest chunk.
    """
    for version in state.versions.values():
        if number - version.last_chunk > QUIET_CHUNKS:
            while version.standing:
                version.close(version.standing.popitem()[1], "the version no longer answers")


def close_ended(book: AlarmBook, state: MonitorState) -> None:
    """Closes the alarms whose end is in the saved state, unless they are closed already.

    Args:
        book: The alarms of the model.
        state: State of all versions, as it is saved.
    """
    ended = [one for version in state.versions.values() for one in version.ended.items()]
    is_open = {one.alarm.id: one.is_open for one in book.states()} if ended else {}
    for id_, why in ended:
        if is_open.get(id_):
            book.close(id_, _BY, why)
    for version in state.versions.values():
        version.ended = {}
