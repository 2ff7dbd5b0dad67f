"""Lineage in a few lines: model, data, code, verdict."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.components.names import APPROVED_BY, APPROVED_WHY, ROLLOUT, SIGNATURE_DIGEST, SIGNER
from pipeline.components.pusher.withdrawn import withdrawal_of
from pipeline.components.trainer.facts import trained_text
from pipeline.counting import count
from pipeline.lineage.facts import span_text
from pipeline.lineage.tree import LineageNode

_DIGEST_CHARS = 12
_NUM_VERSIONS = 3
_METRICS = {"pr_auc": "PR-AUC", "recall": "recall", "precision": "precision"}


def short_lineage(node: LineageNode) -> dict[str, str]:
    """Returns the lineage in one line a subject; a subject that is not recorded has no line.

    Args:
        node: What `lineage_of` returned.
    """
    lines = {
        "model": _model_text(node),
        "signature": _signature_text(node),
        "withdrawn": _withdrawn_text(node),
        "rollout": str(_facts(node, "pushed model").get(ROLLOUT, "")),
        "data": _data_text(node),
        "versioned data": _versions_text(node),
        "code": _name(node, "code"),
        "configuration": _configuration_text(node),
        "environment": _environment_text(node),
        "verdict": _verdict_text(_facts(node, "verdict")),
    }
    return {subject: text for subject, text in lines.items() if text}


def _nodes(node: LineageNode, kind: str) -> Iterator[LineageNode]:
    """Yields the nodes of a kind, a parent before its children."""
    if node.kind == kind:
        yield node
    for child in node.children:
        yield from _nodes(child, kind)


def _find(node: LineageNode, kind: str) -> LineageNode | None:
    return next(_nodes(node, kind), None)


def _facts(node: LineageNode, kind: str) -> Mapping[str, Any]:
    match = _find(node, kind)
    return match.facts if match else {}


def _name(node: LineageNode, kind: str) -> str:
    match = _find(node, kind)
    return match.name if match else ""


def _model_text(node: LineageNode) -> str:
    pushed, model = _find(node, "pushed model"), _find(node, "model")
    if pushed is None and model is None:
        return ""
    trained = f"trained in run {model.facts.get('run')}" if model else ""
    kind = trained_text(dict(model.facts.get("trained", {}))) if model else ""
    name = pushed.name if pushed else f"{model.name if model else ''}, not pushed"
    in_place = pushed is not None and pushed.facts.get("in_place")
    place = "in service" if in_place else "not in service"
    return ", ".join(filter(None, [name, place if pushed else "", trained, kind]))


def _signature_text(node: LineageNode) -> str:
    facts = _facts(node, "pushed model")
    if not facts.get(SIGNER):
        return ""
    digest = _short(facts.get(SIGNATURE_DIGEST, ""))
    return f"key {_short(facts[SIGNER])}, signature {digest}"


def _withdrawn_text(node: LineageNode) -> str:
    withdrawn = withdrawal_of(_facts(node, "pushed model"), "")
    return f"by {withdrawn['by']} at {withdrawn['at']}: {withdrawn['why']}" if withdrawn else ""


def _data_text(node: LineageNode) -> str:
    windows = (one.facts for one in _nodes(node, "examples") if "spans" in one.facts)
    window = next(windows, None)
    read = [one.facts for one in _nodes(node, "data")]
    if window is not None:
        read = [facts for facts in read if facts.get("span") in window["spans"]]
    examples = window or _facts(node, "examples")
    data = window or next(iter(read), {})
    files = [name for facts in read[: None if window else 1] for name in _file_names(facts)]
    names = ", ".join(map(str, files[:3])) + (f" and {len(files) - 3} more" if files[3:] else "")
    if "database" in data:
        names = f"{data['database']} at {data['snapshot_at']}"
    parts = [
        count(examples["num_rows"], "row") if "num_rows" in examples else "",
        names,
        span_text(data),
        f"digest {_short(digest)}" if (digest := _data_digest(data)) else "",
    ]
    return ", ".join(filter(None, parts))


def _versions_text(node: LineageNode) -> str:
    """Returns the data under DVC of the newest run of the tree that read such data."""
    runs = [one for one in _nodes(node, "run") if _find(one, "versioned data")]
    texts = [
        str(one.facts.get("in_words", ""))
        for one in (_nodes(runs[0], "versioned data") if runs else ())
    ]
    more = f" and {len(texts) - _NUM_VERSIONS} more" if texts[_NUM_VERSIONS:] else ""
    return "; ".join(texts[:_NUM_VERSIONS]) + more


def _file_names(data: Mapping[str, Any]) -> list[Any]:
    return list(data.get("raw_files") or data.get("source_files") or data.get("files") or [])


def _data_digest(data: Mapping[str, Any]) -> str:
    """Returns the digest of the files that a person has, before recordings were assembled."""
    return str(data.get("raw_digest") or data.get("data_digest") or "")


def _configuration_text(node: LineageNode) -> str:
    facts = _facts(node, "configuration")
    digest = f"digest {_short(facts['digest'])}" if facts else ""
    return ", ".join(filter(None, [_name(node, "configuration"), digest]))


def _environment_text(node: LineageNode) -> str:
    facts = _facts(node, "environment")
    lock = f"lock file {_short(facts['lock_file'])}" if facts else ""
    return ", ".join(filter(None, [_name(node, "environment"), lock]))


def _verdict_text(verdict: Mapping[str, Any]) -> str:
    word = str(verdict.get("verdict", ""))
    if verdict.get(APPROVED_BY):
        word += f", approved by {verdict[APPROVED_BY]}: {verdict.get(APPROVED_WHY)}"
    metrics = verdict.get("metrics")
    figures = [
        f"{words} {metrics[name]:.3f}"
        for name, words in _METRICS.items()
        if isinstance(metrics, Mapping) and isinstance(metrics.get(name), int | float)
    ]
    return ", ".join(filter(None, [word, *figures]))


def _short(digest: object) -> str:
    return str(digest)[:_DIGEST_CHARS]
