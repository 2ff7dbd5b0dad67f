"""Takes versions of a served model out of service, and puts them back.

A server answers with the highest version. A rollback therefore withdraws the versions above the one
that is to be served. No model is pushed a second time under a new number: a version names the same
files for ever, in the log of predictions as in ML Metadata.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.names import (
    RESTORED_AT,
    RESTORED_BY,
    RESTORED_WHY,
    WITHDRAWN_AT,
    WITHDRAWN_BY,
    WITHDRAWN_DIGEST,
    WITHDRAWN_WHY,
)
from pipeline.components.pusher.version_folder import (
    find_version_damage,
    model_digest,
    served_versions,
    withdrawn_folder,
    withdrawn_versions,
)
from pipeline.components.pusher.withdrawn import Push, read_pushes, settle_versions
from pipeline.lineage.facts import time_text

_WITHDRAWAL = (WITHDRAWN_BY, WITHDRAWN_WHY, WITHDRAWN_AT)
_RESTORING = (RESTORED_BY, RESTORED_WHY, RESTORED_AT)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who decides, and why.

    Attributes:
        by: Who.
        why: The reason.
    """

    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a decision changed.

    Attributes:
        name: Name of the served model.
        before: The version that was served.
        after: The version that is served now.
        withdrawn: The versions that were taken out of service, in rising order.
        restored: The version that was put back, or None.
    """

    name: str
    before: int
    after: int
    withdrawn: tuple[int, ...]
    restored: int | None = None


# What has to happen before files move: a gateway must not lose the version that it serves.
Prepare = Callable[[Change], object]


def roll_back(
    store: MetadataStore,
    folder: OutputFolder,
    reference: str,
    decision: Decision,
    *,
    prepare: Prepare | None = None,
) -> Change:
    """Goes back to an older version of a served model; the caller holds the folder's lock.

    Args:
        store: The metadata store.
        folder: The output folder.
        reference: `NAME`, for the version before the one that is served, or `NAME/VERSION`. A
            version that was withdrawn is put back.
        decision: Who decides, and why; noted in ML Metadata.
        prepare: Called when the version is in place, before others are withdrawn.

    Raises:
        InputError: There is no such model or version, no version before, or the version is the one
            that is served.
    """
    check_decision(decision)
    name, asked = _parse(folder, reference)
    base = folder.serving(name)
    settle_versions(store, base)
    served = served_versions(base)
    if asked is None:
        _check_not_only(name, served, base)
    target = served[-2] if asked is None else asked
    kept = withdrawn_versions(base)
    if target not in {*served, *kept}:
        raise InputError(f"{name} has no version {target}. {_listing(base)}")
    if served and target == served[-1]:
        raise InputError(f"{name}/{target} is the version that is served. {_listing(base)}")
    source = base / str(target) if target in served else withdrawn_folder(base, target)
    if not (source / "saved_model.pb").is_file():
        raise InputError(f"{name}/{target} cannot be served: {source} has no saved_model.pb.")
    if damage := find_version_damage(base, target):
        raise InputError(f"{name}/{target} is damaged since its push: {damage}. {_listing(base)}")
    change = Change(
        name=name,
        before=served[-1] if served else target,
        after=target,
        withdrawn=tuple(version for version in served if version > target),
        restored=target if target in kept else None,
    )
    _carry_out(store, base, change, decision, prepare)
    return change


def withdraw(
    store: MetadataStore,
    folder: OutputFolder,
    reference: str,
    decision: Decision,
    *,
    prepare: Prepare | None = None,
) -> Change:
    """Takes one version out of service; the caller holds the folder's lock.

    Args:
        store: The metadata store.
        folder: The output folder.
        reference: `NAME/VERSION`.
        decision: Who decides, and why; noted in ML Metadata.
        prepare: Called before the version is withdrawn.

    Raises:
        InputError: There is no such model or version, it is the only one, or it was withdrawn.
    """
    check_decision(decision)
    name, version = _parse(folder, reference)
    base = folder.serving(name)
    if version is None:
        raise InputError(f"Give a version of {name}: NAME/VERSION. {_listing(base)}")
    settle_versions(store, base)
    served = served_versions(base)
    if version in withdrawn_versions(base):
        raise InputError(f"{name}/{version} was withdrawn already. {_listing(base)}")
    if version not in served:
        raise InputError(f"{name} has no version {version}. {_listing(base)}")
    _check_not_only(name, served, base)
    rest = [other for other in served if other != version]
    change = Change(name=name, before=served[-1], after=rest[-1], withdrawn=(version,))
    _carry_out(store, base, change, decision, prepare)
    return change


def check_decision(decision: Decision) -> None:
    """Checks that a decision has a name and a reason.

    Raises:
        InputError: One of them is empty.
    """
    for option, value in (("--by", decision.by), ("--why", decision.why)):
        if not value.strip():
            raise InputError(f"{option} is empty; the record says who decided, and why.")


def _parse(folder: OutputFolder, reference: str) -> tuple[str, int | None]:
    """The served model's name and, where it is given, the version."""
    root = folder.serving("x").parent
    names = sorted(
        base.name
        for base in (root.iterdir() if root.is_dir() else ())
        if served_versions(base) or withdrawn_versions(base)
    )
    name, slash, version = reference.partition("/")
    if name not in names:
        listed = f"There are {', '.join(names)}." if names else "Nothing has been pushed."
        raise InputError(f"No model called {name} was pushed below {root}. {listed}")
    if slash and not version.isdecimal():
        raise InputError(
            f"A version is a whole number, got {version!r}. {_listing(folder.serving(name))}"
        )
    return name, int(version) if slash else None


def _check_not_only(name: str, served: Collection[int], base: Path) -> None:
    if len(served) < 2:
        raise InputError(
            f"{name} has no other version to serve, and a model without a version answers nothing. "
            f"{_listing(base)}"
        )


def _listing(base: Path) -> str:
    words = [
        f"{what}: {', '.join(map(str, reversed(versions))) or 'none'}"
        for what, versions in (
            ("In service", served_versions(base)),
            ("withdrawn", withdrawn_versions(base)),
        )
    ]
    return f"{'; '.join(words)}."


def _carry_out(
    store: MetadataStore,
    base: Path,
    change: Change,
    decision: Decision,
    prepare: Prepare | None,
) -> None:
    rest = change
    if prepare is not None:
        if change.restored is not None:
            _record(store, base, replace(change, withdrawn=()), decision)
            settle_versions(store, base)
            rest = replace(change, restored=None)
        prepare(change)
    _record(store, base, rest, decision)
    settle_versions(store, base)


def _record(store: MetadataStore, base: Path, change: Change, decision: Decision) -> None:
    """Notes who decided what on the pushes that it is about, all of them in one transaction."""
    pushes = read_pushes(store, base)
    now = time_text(datetime.now(tz=UTC))
    notes = (decision.by.strip(), decision.why.strip(), now)
    changed: list[Push] = []
    for version in change.withdrawn:
        digest = model_digest(base / str(version))
        for push in _of_version(pushes, base, version):
            _note(push, dict(zip(_WITHDRAWAL, notes, strict=True)) | {WITHDRAWN_DIGEST: digest})
            changed.append(push)
    if change.restored is not None:
        for push in _of_version(pushes, base, change.restored):
            for key in (*_WITHDRAWAL, WITHDRAWN_DIGEST):
                push.artifact.custom_properties.pop(key, None)
            _note(push, dict(zip(_RESTORING, notes, strict=True)))
            changed.append(push)
    store.put_artifacts([push.artifact for push in changed])


def _of_version(pushes: Collection[Push], base: Path, version: int) -> list[Push]:
    same = [push for push in pushes if push.version == version]
    if not same:
        raise InputError(
            f"No run recorded the push of {base.name}/{version}, so that nothing can be noted on "
            f"it. Move {base / str(version)} away by hand."
        )
    return same


def _note(push: Push, values: dict[str, str]) -> None:
    for key, value in values.items():
        push.artifact.custom_properties[key].string_value = value
