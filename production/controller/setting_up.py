"""Setup of a controller from a use case's config."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ml_metadata.metadata_store import MetadataStore

from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.production_options.automation import AutomationOptions
from pipeline.production_options.collection import recorded_share
from pipeline.reading.ingest_spec import make_ingest_spec
from production.automation.automation import Automation, margins_of
from production.collection.labels import are_positive
from production.controller.controller import Setup


def make_setup(
    folder: OutputFolder,
    config: Config | None,
    *,
    open_store: Callable[[], MetadataStore],
    say: Callable[[str], None],
) -> Setup:
    """Returns the setup of a controller.

    Args:
        folder: The output folder.
        config: The use case; None for default options, and evidence without labels.
        open_store: Opens the metadata store; called in other threads.
        say: Prints a line for people.
    """
    automation = config.automation if config else AutomationOptions()
    decide = Automation(automation, folder)
    if config is None:
        return Setup(decide=decide, open_store=open_store, say=say)
    # Labels need no schema, whose path is not known of a config that a run recorded.
    spec = make_ingest_spec(replace(config, schema=None))
    return Setup(
        options=config.rollout,
        margins=margins_of(config),
        decide=decide,
        open_store=open_store,
        are_positive=partial(are_positive, spec=spec),
        share=recorded_share(config.collection),
        say=say,
    )
