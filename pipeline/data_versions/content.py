"""Comparison of files with the digests that DVC records."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from common.digests import KeptDigests
from pipeline.data_versions.outputs import TrackedOutput, folder_md5, parse_listing

_CHUNK_BYTES = 1 << 20
# DVC before 3.0 took a piece of a file for text by its first bytes.
_PROBE_BYTES, _MAX_OTHER = 512, 0.3
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"


def find_difference(
    output: TrackedOutput, place: Path, files: Iterable[Path], *, cache: Path, kept: KeptDigests
) -> str:
    """Returns how what is read differs from what DVC records, in words; empty if it does not.

    Of a folder, only the files that are read are hashed, unless DVC's cache lacks its listing.

    Args:
        output: What DVC records.
        place: The output on this machine.
        files: The files of it that are read.
        cache: Folder of DVC's cache.
        kept: Digests of unchanged files.
    """
    if not output.md5:
        return (
            f"{output.tracked_by} is damaged or records no MD5; restore it, or make it again by DVC"
        )
    if not output.is_folder:
        md5 = kept.md5(str(place))
        if output.md5 in {md5, _legacy_md5(place) if output.is_legacy else md5}:
            return ""
        return f"its MD5 is {md5}, and DVC records {output.md5}"
    listing = output.listing or _cached_listing(output.md5, cache)
    if listing is None:
        return _compare_whole(output, place, kept)
    return _compare_files(listing, place, files, kept, is_legacy=output.is_legacy)


def _compare_files(
    listing: Mapping[str, str],
    place: Path,
    files: Iterable[Path],
    kept: KeptDigests,
    *,
    is_legacy: bool,
) -> str:
    for file in files:
        name = file.relative_to(place).as_posix()
        if name not in listing:
            return f"DVC does not record {name}"
        if listing[name] != kept.md5(str(file)) and not (
            is_legacy and listing[name] == _legacy_md5(file)
        ):
            return f"{name} differs from what DVC records"
    missing = [name for name in sorted(listing) if not (place / name).is_file()]
    more = f" and {len(missing) - 1} more" if missing[1:] else ""
    return f"{missing[0]}{more} is missing" if missing else ""


def _compare_whole(output: TrackedOutput, place: Path, kept: KeptDigests) -> str:
    """Compares a folder whose listing is not at hand: the digest of all its files decides."""
    files = sorted(
        Path(here, name)
        for here, _, names in os.walk(place, followlinks=True)
        for name in names
    )  # fmt: skip
    digests = [kept.md5] if not output.is_legacy else [kept.md5, _legacy_md5]
    md5 = ""
    for digest in digests:
        md5 = folder_md5({file.relative_to(place).as_posix(): digest(str(file)) for file in files})
        if md5 == output.md5:
            return ""
    return (
        f"its MD5 is {md5}, and DVC records {output.md5}; DVC's cache lacks the list of its files, "
        "so files that .dvcignore leaves out count too"
    )


def _cached_listing(md5: str, cache: Path) -> Mapping[str, str] | None:
    """Returns a folder's listing from DVC's cache, of DVC since 3.0 or before; or None."""
    for folder in (cache / "files" / "md5", cache):
        try:
            content = (folder / md5[:2] / md5[2:]).read_bytes()
        except OSError:
            continue
        if (listing := parse_listing(content, md5)) is not None:
            return listing
    return None


def _legacy_md5(path: str | Path) -> str:
    """Returns the MD5 of a file by DVC before 3.0, which reads CRLF in text as LF."""
    digest = hashlib.md5(usedforsecurity=False)
    with Path(path).open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece.replace(b"\r\n", b"\n") if _is_text(piece) else piece)
    return digest.hexdigest()


def _is_text(piece: bytes) -> bool:
    probe = piece[:_PROBE_BYTES]
    num_other = len(probe.translate(None, _TEXT))
    return b"\0" not in probe and num_other <= _MAX_OTHER * len(probe)
