"""New versions that start a rollout by themselves."""

from collections.abc import Sequence

from ml_metadata.metadata_store import MetadataStore

from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import SHADOW_SUFFIX
from pipeline.production_options.rollout import RolloutOptions
from production.gateway.traffic import Pin
from production.rollout.candidates import judge
from production.rollout.journal import Entry
from production.rollout.state import Plan
from production.rollout.strategies import make_plan


def find_push(
    folder: OutputFolder, entries: Sequence[Entry], options: RolloutOptions
) -> Pin | None:
    """Returns the newest version that no rollout was about yet; None without one.

    A version that the gate could not judge starts its shadow rollout by itself: it was pushed
    beside the served one because the config says `gate.on_inconclusive: shadow`. Any other starts
    one only where the config says `rollout.start: on_push`, and comes first.

    Args:
        folder: The output folder.
        entries: The journal, not empty.
        options: The config's `rollout`.
    """
    model = entries[-1].state.model
    bases = [model] if options.start == "on_push" else []
    for base in [*bases, model + SHADOW_SUFFIX]:
        newest = max(served_versions(folder.serving(base)), default=0)
        if newest > _newest_known(entries, base):
            return Pin(base=base, version=newest)
    return None


def _newest_known(entries: Sequence[Entry], base: str) -> int:
    """The newest version of a base that a transition was about.

    Versions are seconds since 1970. An inconclusive model that is older than the served version
    has been overtaken.
    """
    pins = {entry.state.stable for entry in entries}
    pins |= {entry.state.rollout.candidate for entry in entries if entry.state.rollout}
    known = [pin.version for pin in pins if pin.base == base]
    return max([*known, entries[-1].state.stable.version])


def plan_push(
    store: MetadataStore, folder: OutputFolder, pin: Pin, options: RolloutOptions
) -> Plan:
    """Returns the plan of a pushed version's rollout.

    Raises:
        InputError: It must not take over, or no run has recorded its push yet.
    """
    return make_plan(judge(store, folder, pin), options, options.strategy)
