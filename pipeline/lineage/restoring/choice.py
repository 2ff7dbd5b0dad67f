"""The run whose record brings a model back most completely."""

from pipeline.lineage.git_state import UNKNOWN
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.restoring.data_versions import DataState

# Facts of the stamp by which two runs that have one model are the same but for what is committed.
_SAME = ("code_digest", "config_digest", "schema_digest", "lock_digest", "python", "platform")


def most_repeatable(graph: Graph, model_id: int) -> Run | None:
    """Returns the run that trained a model, or a later one that is committed where that was not.

    A later run counts if it took the model from the cache, with the same code, config and
    environment: the data are then the same too.

    Args:
        graph: Everything that ML Metadata holds.
        model_id: The artifact of the model.
    """
    producer = graph.producer(model_id)
    if producer is None:
        return None
    trained_in = graph.runs[producer.run_id]
    candidates = [run for run in graph.runs.values() if _is_same(run, trained_in, model_id)]
    return min(candidates, key=_num_doubts)


def _is_same(run: Run, trained_in: Run, model_id: int) -> bool:
    if run is trained_in:
        return True
    has_model = any(
        step.succeeded and model_id in ids for step in run.steps for ids in step.outputs.values()
    )
    one, other = run.provenance, trained_in.provenance
    if not has_model or one is None or other is None:
        return False
    return all(getattr(one, name) == getattr(other, name) for name in _SAME)


def _num_doubts(run: Run) -> int:
    """Returns how many of code, config and data no commit brings back."""
    stamp, config = run.provenance, run.origins.config
    if stamp is None:
        return 3
    are_recorded = all(one.state is DataState.RECORDED for one in run.data_versions)
    doubts = (
        stamp.git_dirty or stamp.git_commit == UNKNOWN,
        config.changed or not config.repository,
        not run.data_versions or not are_recorded,
    )
    return sum(doubts)
