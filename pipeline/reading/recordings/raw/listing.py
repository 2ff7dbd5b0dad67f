"""Raw files of recordings: which ones a path means, and what a recording is called."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from common.errors import InputError
from common.paths import tidy_path
from pipeline.reading.files import listing, pieces
from pipeline.recording_options import Media

ARRAY_SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".mat")
TABLE_SUFFIXES = tuple(suffix for suffix, kind in pieces.SUFFIXES.items() if kind != "tfrecord")
SUFFIXES: dict[Media, tuple[str, ...]] = {
    "table": (*TABLE_SUFFIXES, *ARRAY_SUFFIXES),
    "audio": (".wav", ".flac", ".ogg"),
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif"),
}
_NUM_PROBES = 16


def list_raw_files(
    path: str, media: Media, *, folder: Path, others: Collection[Path] = ()
) -> tuple[str, list[str]]:
    """Returns the folder that holds the raw files at a path, and these files, sorted.

    In a folder all files below it count that have a suffix of the medium.

    Args:
        path: A file, a folder or a glob, relative to `folder`.
        media: What the files hold.
        folder: The folder of the YAML.
        others: Files that are no recordings: the tables of labels and of events.

    Raises:
        InputError: There are none.
    """
    if "://" in path:
        raise InputError(
            f"data.path is the URL {path}, and data.recordings reads files of this machine only. "
            "Copy them, or mount the bucket."
        )
    full = str((folder / path).absolute())
    suffixes = (*SUFFIXES[media], *text_suffix_of(path)) if media == "table" else SUFFIXES[media]
    if Path(full).is_dir():
        base, pattern = full, "**/*"
    else:
        base, pattern = listing.divide(full)
    base = str(tidy_path(Path(base)))
    matches = listing.matching_files(base, pattern, suffixes)
    left_out = {path.resolve() for path in others}
    files = [
        file
        for file in matches
        if pieces.suffix_of(file, suffixes) is not None and Path(file).resolve() not in left_out
    ]
    if not files:
        raise listing.NoDataError(_nothing_at(full, matches, media))
    return base, files


def text_suffix_of(path: str) -> tuple[str, ...]:
    """Returns the suffix of text, such as `.txt`, that a file or a glob names; else nothing."""
    suffix = pieces.suffix_of(path, pieces.TEXT_SUFFIXES)
    return (suffix,) if suffix else ()


def _nothing_at(path: str, matches: Sequence[str], media: Media) -> str:
    suffixes = Counter(Path(file).suffix.lower() or "no suffix" for file in matches)
    seen = ", ".join(f"{suffix} ({number:,})" for suffix, number in suffixes.most_common(4))
    has_pictures = suffixes[".tif"] + suffixes[".tiff"] and media == "image"
    advice = " Convert TIFF to PNG, which the served model can decode." if has_pictures else ""
    return (
        f"No recordings found at {path}: expected files of media `{media}` with one of the "
        f"suffixes {', '.join(SUFFIXES[media])}, found {seen or 'no files'}.{advice}"
    )


def probes_of(files: Sequence[str]) -> Sequence[str]:
    """Returns up to 16 files, evenly apart from the first to the last, as a sample of all.

    >>> [int(file) for file in probes_of([str(number) for number in range(31)])]
    [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30]
    """
    number = min(_NUM_PROBES, len(files))
    return [files[i * (len(files) - 1) // max(1, number - 1)] for i in range(number)]


def recording_names(files: Sequence[str], base: str) -> dict[str, str]:
    """Returns the name of the recording in each file: the file's name without suffix.

    Names that occur more than once are preceded by the folders below `base`; if two files differ
    in their suffix only, they keep it.
    """
    stems = {file: stem(file) for file in files}
    names = _longer(
        stems, {file: str(_relative(file, base).with_name(stems[file])) for file in files}
    )
    return _longer(names, {file: str(_relative(file, base)) for file in files})


def _longer(names: dict[str, str], longer: dict[str, str]) -> dict[str, str]:
    counts = Counter(names.values())
    return {file: longer[file] if counts[name] > 1 else name for file, name in names.items()}


def _relative(file: str, base: str) -> PurePosixPath:
    return PurePosixPath(Path(file).relative_to(base).as_posix())


def stem(file: str) -> str:
    """Returns the name of a file without its known suffix.

    >>> stem("data/motor.07.csv.gz"), stem("a/7.WAV")
    ('motor.07', '7')
    """
    name = PurePosixPath(file).name
    known = (*SUFFIXES["table"], *SUFFIXES["audio"], *SUFFIXES["image"])
    suffix = pieces.suffix_of(name, known) or PurePosixPath(name).suffix
    return name[: len(name) - len(suffix)] if suffix else name
