"""Records the trigger, evidence and data of a retraining on its run in ML Metadata."""

import json
from collections.abc import Sequence

from ml_metadata.metadata_store import MetadataStore

from pipeline.lineage.provenance import RETRAINING
from production.retraining.state import Retraining


def record_retrainings(store: MetadataStore, retrainings: Sequence[Retraining]) -> int:
    """Records each ended retraining on its run.

    Args:
        store: The metadata store.
        retrainings: All retrainings of a model.

    Returns:
        Number of runs that had no record before.
    """
    contexts = []
    for retraining in retrainings:
        run_id = retraining.result.run_id if retraining.result else ""
        context = run_id and store.get_context_by_type_and_name("pipeline_run", run_id)
        if context and RETRAINING not in context.custom_properties:
            text = json.dumps(describe(retraining), ensure_ascii=False, default=str)
            context.custom_properties[RETRAINING].string_value = text
            contexts.append(context)
    if contexts:
        store.put_contexts(contexts)
    return len(contexts)


def describe(retraining: Retraining) -> dict[str, object]:
    """Returns what the lineage says of a retraining: its trigger, its evidence and its data."""
    trigger, data = retraining.trigger, retraining.data
    facts: dict[str, object] = {
        "id": retraining.id,
        "trigger": trigger.name,
        "by": trigger.by,
        "why": trigger.why,
        "evidence": dict(trigger.evidence),
        "champion": retraining.champion,
        "began": retraining.began.isoformat(),
    }
    if data is not None and data.span is not None:
        facts["data"] = {
            "span": data.span,
            "rows": data.num_rows,
            "positive": data.num_positive,
            "left out": dict(data.left_out),
        }
    return facts
