"""Files of a model card, and their artifact in ML Metadata."""

import json
import tempfile
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.digests import file_digest
from pipeline.components.pages.layout import render
from pipeline.lineage.graph import Artifact, Graph, Run
from pipeline.lineage.runs import run_output
from pipeline.publishing.model_card.content import Measured, card_content, needed_output

TYPE_NAME = "ModelCard"
JSON_FILE, PAGE_FILE = "card.json", "card.html"
_VERSION, _USE = "pushed_version", "use"


def find_card(graph: Graph, run: Run) -> Path | None:
    """Returns the folder of the card of the version that a run pushed.

    It is None without a card, and where the newest one says something else of the model's use.
    """
    pushed = pushed_by(graph, run)
    if pushed is None:
        return None
    wanted = {"model": run.use_case, "version": str(pushed.properties[_VERSION])}
    own = [card for card in graph.of_type(TYPE_NAME) if wanted.items() <= card.properties.items()]
    if not own or own[-1].properties.get(_USE) != _stated(run):
        return None
    folder = Path(own[-1].uri)
    return folder if (folder / PAGE_FILE).is_file() else None


def _stated(run: Run) -> dict[str, Any]:
    """What the configuration of a run states on the card."""
    return {name: text for name, text in (run.config.get("card") or {}).items() if text}


def pushed_by(graph: Graph, run: Run) -> Artifact | None:
    """Returns the version that a run pushed or took from the cache, or None if it pushed none."""
    pushed = run_output(graph, run, "PushedModel")
    return pushed if pushed is not None and pushed.properties.get(_VERSION) else None


def make_card(store: MetadataStore, graph: Graph, run: Run, artifacts: Path) -> Path | None:
    """Writes and records the card of the version that a run pushed, once for each version.

    Args:
        store: The metadata store.
        graph: What it holds.
        run: The run, complete.
        artifacts: The folder of all artifacts.

    Returns:
        The folder with `card.json` and `card.html`; None if the run pushed nothing.
    """
    pushed, existing = pushed_by(graph, run), find_card(graph, run)
    if pushed is None or existing is not None:
        return existing
    # It imports TensorFlow, which a run from the cache does not need.
    from pipeline.components.evaluation.results import read_evaluation, read_procedure_evaluation

    evaluation = needed_output(graph, run, "ModelEvaluation").uri
    measured = Measured(
        test=read_evaluation(evaluation), crossed=read_procedure_evaluation(evaluation)
    )
    version = str(pushed.properties[_VERSION])
    folder = artifacts / run.use_case / TYPE_NAME / version
    write_card(card_content(graph, run, measured), folder)
    _record(store, run, folder, version)
    return folder


def write_card(content: dict[str, Any], folder: Path) -> None:
    """Writes both files of a card; the folder appears only when both are complete."""
    # It imports SciPy, which a run from the cache does not need.
    from pipeline.components.model_gate.reasons import WORDS

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".card-") as name:
        written = Path(name) / "card"
        written.mkdir()
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        (written / JSON_FILE).write_text(f"{text}\n", encoding="utf-8")
        page = render("pipeline.publishing", "card.html.j2", card=content, words=WORDS, plots=False)
        (written / PAGE_FILE).write_text(page, encoding="utf-8")
        if folder.exists():
            folder.rename(Path(name) / "old")
        written.rename(folder)


def _record(store: MetadataStore, run: Run, folder: Path, version: str) -> None:
    type_id = store.put_artifact_type(
        metadata_store_pb2.ArtifactType(name=TYPE_NAME), can_add_fields=True, can_omit_fields=True
    )
    card = metadata_store_pb2.Artifact(
        type_id=type_id, uri=str(folder), state=metadata_store_pb2.Artifact.LIVE
    )
    facts = {
        "model": run.use_case,
        "version": version,
        "digest": file_digest(folder / JSON_FILE),
        _USE: json.dumps(_stated(run)),
    }
    for name, value in facts.items():
        card.custom_properties[name].string_value = value
    [card_id] = store.put_artifacts([card])
    context = store.get_context_by_type_and_name("pipeline_run", run.id)
    link = metadata_store_pb2.Attribution(artifact_id=card_id, context_id=context.id)
    store.put_attributions_and_associations([link], [])
