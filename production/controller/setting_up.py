"""What a controller works with, from a use case's config."""

from collections.abc import Callable
from functools import partial

from ml_metadata.metadata_store import MetadataStore

from measuring.sequential.evidence import Margins
from models.probabilities.cost import Cost
from pipeline.config import Config
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.labels import are_positive
from production.controller.controller import Setup


def make_setup(
    config: Config | None,
    *,
    open_store: Callable[[], MetadataStore],
    say: Callable[[str], None],
) -> Setup:
    """Returns the setup of a controller.

    Args:
        config: The use case; None for default options, and evidence without labels.
        open_store: Opens the metadata store; called in other threads.
        say: Prints a line for people.

    Raises:
        InputError: The curated schema cannot be read.
    """
    if config is None:
        return Setup(open_store=open_store, say=say)
    return Setup(
        options=config.rollout,
        margins=_margins(config.cost),
        open_store=open_store,
        are_positive=partial(are_positive, spec=make_ingest_spec(config)),
        share=config.collection.share if config.collection else 1.0,
        say=say,
    )


def _margins(cost: Cost | None) -> Margins:
    if cost is None:
        return Margins()
    return Margins(miss=cost.regret_of_miss, false_alarm=cost.regret_of_alarm)
