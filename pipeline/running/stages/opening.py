"""Stage before the steps of a run: data, metadata store, earlier spans, and the stamp."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from rich.markup import escape

from common.errors import InputError
from common.metadata import ConnectionConfig, close_abandoned, connection_config, open_store
from common.run_ids import span_run_id
from pipeline.components.pusher.superseded import forget_superseded
from pipeline.components.pusher.version_folder import find_damaged_versions, served_versions
from pipeline.components.pusher.withdrawn import settle_versions, withdrawn_notes
from pipeline.config import SHADOW_SUFFIX
from pipeline.data_versions.opening import OpenedData, open_data
from pipeline.lineage.provenance import Provenance, stamp_config, stamp_run
from pipeline.lineage.restoring.data_versions import DataState, VersionedData, stamp_data
from pipeline.lineage.restoring.origins import collect_origins, stamp_origins
from pipeline.reading.data_source import find_source
from pipeline.reading.files.locations import Source
from pipeline.remote.engines import EngineOptions
from pipeline.running.console import RunConsole
from pipeline.running.launching.history import check_history
from pipeline.running.stages.place import PROJECT_DIR, RunPlace
from pipeline.running.summary import RunSummary

READER = "ArrowExampleGen"  # the step that reads the data
_NUM_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a run starts with.

    Attributes:
        place: Its inputs and output locations.
        provenance: Its provenance.
        data: Its data, with those under DVC.
        source: Location of its data.
        connection: Connection to ML Metadata.
        store: The metadata store.
        withdrawn: What the Pusher must not push.
        is_first_run: Whether the store knows no earlier run of the use case.
    """

    place: RunPlace
    provenance: Provenance
    data: OpenedData
    source: Source
    connection: ConnectionConfig
    store: MetadataStore
    withdrawn: dict[str, Any]
    is_first_run: bool


def set_up_process(place: RunPlace) -> None:
    """Sets the environment variables of the libraries, before they are imported."""
    # Otherwise Keras reads a config file in the home folder, which affects training, or writes one.
    os.environ["KERAS_HOME"] = str(place.run_folder)
    # Otherwise each of Beam's argument parsers, of which there are thousands, looks for files with
    # translations of its messages; there are none.
    os.environ["LANGUAGE"] = "C"


def open_run(place: RunPlace, provenance: Provenance, shown: RunConsole) -> Opening:
    """Finds the data and reconciles the record with the folders, which the caller has locked.

    Raises:
        InputError: There are no data, or not of the revision that was asked for; there is no
            metadata store, or it does not know the results in the folders.
    """
    data = open_data(place.config, place.folder, place.data_revision)
    engine = EngineOptions(place.beam_args)
    # Workers elsewhere could not write the rows into the output folder.
    is_local = engine.is_local or not engine.shares_files
    source = find_source(data.config, place.folder, beam_args=None if is_local else place.beam_args)
    connection = connection_config(place.config.metadata, place.folder.root, os.environ)
    store = open_store(connection)
    return Opening(
        place=place,
        provenance=provenance,
        data=data,
        source=source,
        connection=connection,
        store=store,
        withdrawn=_settle(store, place, shown),
        is_first_run=store.get_context_by_type_and_name("pipeline", place.config.name) is None,
    )


def check_new_run(store: MetadataStore, run_id: str, *, remedy: str) -> None:
    """Checks that ML Metadata has no run of this id, whose steps would pass for those of this run.

    Raises:
        InputError: It has one: of another output folder, or of this one.
    """
    if store.get_context_by_type_and_name("pipeline_run", run_id) is not None:
        raise InputError(
            f"ML Metadata already has a run {run_id}, perhaps of another output folder. {remedy}"
        )


def stamp_opening(opening: Opening, shown: RunConsole) -> None:
    """Records the run with its code, configuration and data, and says which code and data."""
    place = opening.place
    stamp_run(opening.store, place.run_id, opening.provenance)
    stamp_config(opening.store, place.run_id, place.config)
    origins = collect_origins(place.config, place.config_path, PROJECT_DIR)
    stamp_origins(opening.store, place.run_id, origins)
    stamp_data(opening.store, place.run_id, opening.data.versions)
    shown.say_code(opening.provenance.git_label, is_first_run=opening.is_first_run)
    for note in opening.source.notes[-_NUM_SHOWN:]:
        shown.say(escape(note))
    for version in opening.data.versions[:_NUM_SHOWN]:
        shown.say(_data_line(version))
    if more := len(opening.data.versions[_NUM_SHOWN:]):
        shown.say(f"[dim]data and {more} more under DVC[/dim]")


def check_data(
    data: OpenedData, store: MetadataStore, run_id: str, shown: RunConsole
) -> Sequence[VersionedData]:
    """Records data under DVC as modified if they were changed while the run read them.

    Args:
        data: The data as the run opened them.
        store: The metadata store.
        run_id: The run.
        shown: Prints a change.

    Returns:
        The data under DVC as they are now recorded.
    """
    versions = data.read_again()
    changed = [now for now, old in zip(versions, data.versions, strict=True) if now != old]
    if changed:
        stamp_data(store, run_id, versions)
        shown.say(_data_line(changed[0]))
    return versions


def _data_line(version: VersionedData) -> str:
    text = escape(version.text())
    is_clean = version.state is DataState.RECORDED
    return f"[dim]data {text}[/dim]" if is_clean else f"[yellow]![/yellow] data {text}"


def _settle(store: MetadataStore, place: RunPlace, shown: RunConsole) -> dict[str, Any]:
    """Reconciles the record with the folders and says what differs.

    Returns:
        What the Pusher must not push.

    Raises:
        InputError: The record does not know the results in the folders.
    """
    # On a shared server only this folder's runs are certainly dead, because we hold its lock; so is
    # an earlier attempt at this one.
    own_runs = {path.name for path in place.run_folder.parent.iterdir()}
    close_abandoned(store, run_ids=own_runs)
    check_history(store, place.folder.artifacts / place.config.name)
    return _settle_pushes(store, place, shown)


def _settle_pushes(store: MetadataStore, place: RunPlace, shown: RunConsole) -> dict[str, Any]:
    names = (place.config.name, place.config.name + SHADOW_SUFFIX)
    bases = [place.folder.serving(name) for name in names]
    for base in bases:
        settle_versions(store, base)
        damaged = find_damaged_versions(base, kept_digests=place.folder.kept_digests)
        for version, change in damaged.items():
            is_newest = version == served_versions(base)[-1]
            remedy = "This run pushes its model again." if is_newest else "Do not serve it."
            shown.say(
                f"[yellow]![/yellow] The pushed version {base.name}/{version} is damaged: "
                f"{escape(change)}. {remedy}"
            )
        forget_superseded(store, base, damaged=damaged)
    return withdrawn_notes(store, bases)


def read_earlier_spans(opening: Opening, shown: RunConsole, summary: RunSummary) -> None:
    """Reads the missing spans of the window; the pipeline itself reads the newest one."""
    from pipeline.running.span_runs import SpanPlace, read_span, spans_to_read

    place = opening.place
    spans = SpanPlace(
        config=place.config,
        source=opening.source,
        folder=place.folder,
        connection=opening.connection,
        run_id=place.run_id,
        beam_args=place.beam_args,
    )
    for span in spans_to_read(opening.store, spans):
        part_id = span_run_id(place.run_id, span)
        stamp_run(opening.store, part_id, opening.provenance)
        stamp_config(opening.store, part_id, place.config)
        for result in read_span(spans, span, on_start=shown.step_started):
            shown.step_ended(result.step, result.text)
            summary.spans.append(dict(result.values) | {"duration_s": result.step.duration_s})
