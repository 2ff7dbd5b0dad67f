"""The key of a run: equal keys mean that every step has the same parameters and code."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.digests import code_digest, digest_local_files, file_digest
from common.output_folder import OutputFolder
from pipeline.components.pusher.signing import check_signing
from pipeline.config import Config
from pipeline.lineage.provenance import CODE_FOLDERS, Provenance
from pipeline.reading.files.locations import Source, fill_span, source_files

# Facts of the stamp that decide over no result. Sources and schema are read again with each key.
_IRRELEVANT = ("git_commit", "git_dirty", "git_note", "project_commit", "project_dirty")
_READ_AGAIN = ("code_digest", "schema_digest", "lock_digest")


def run_key(
    config: Config,
    provenance: Provenance,
    source: Source,
    folder: OutputFolder,
    *,
    withdrawn: Mapping[str, Any],
    project_dir: Path,
) -> str | None:
    """Returns the key of a run, or None if only the steps themselves can compare it.

    These are runs with data or artifacts in a bucket, or with metadata on a server. The key
    is stricter than the cache: it covers all sources, so that an edit of any of them leaves the
    decision to the steps.

    Args:
        config: The use case.
        provenance: Code and environment of the run.
        source: Location of the data, which are read here.
        folder: The output folder.
        withdrawn: What the Pusher must not push.
        project_dir: The root of the project's sources.
    """
    if "://" in source.base or config.beam.artifacts or config.metadata.url:
        return None
    stamp = provenance.to_json()
    lock, schema = project_dir / "requirements.lock", config.schema_path
    parts = {
        "stamp": {name: stamp[name] for name in stamp if name not in _IRRELEVANT + _READ_AGAIN},
        "code": code_digest(project_dir / name for name in CODE_FOLDERS),
        "lock": file_digest(lock) if lock.is_file() else "",
        "schema": file_digest(schema) if schema else "",
        "data": _data(source),
        "folder": str(folder.root),
        "withdrawn": withdrawn,
        "signing": check_signing(config),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _data(source: Source) -> dict[str, Any]:
    """Returns the names and the content of a source's files, by span."""
    spans = source.window or (source.span,)
    files = {}
    for span in spans:
        one = replace(source, span=span)
        digest = digest_local_files(
            source_files(one), one.base, kept_digests=source.kept_digests
        ).digest
        filled = [fill_span(one.base, pattern, span) for pattern in one.patterns.values()]
        files[str(span)] = [digest, [(f.pattern, f.span, f.version) for f in filled]]
    return {"base": source.base, "patterns": source.patterns, "files": files}
