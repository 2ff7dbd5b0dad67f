"""Assembly of raw recordings to Parquet with one row for each recording or window."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter

from common.digests import FilesDigest, code_digest, digest_local_files
from common.errors import InputError
from common.output_folder import new_folder, remove_abandoned, remove_superseded
from pipeline.config import Data, Label
from pipeline.counting import count
from pipeline.reading.recordings.parts.assembly import FILE_NAME, PART_BYTES, PATTERN, Assembly
from pipeline.reading.recordings.parts.spreading import choose_spread
from pipeline.reading.recordings.raw.listing import list_raw_files
from pipeline.reading.recordings.recording import BadRecording
from pipeline.reading.recordings.survey import Request

_PROJECT = Path(__file__).resolve().parents[3]
# The code that decides the content of the assembled table.
CODE = (
    _PROJECT / "pipeline/reading",
    _PROJECT / "pipeline/column_format.py",
    _PROJECT / "pipeline/recording_options.py",
    _PROJECT / "measuring/events/names.py",
)
RECORD = "_recordings.json"
KEPT_DIGESTS = "digests.json"
_LOCK = ".lock"
_PREFIX = "recordings-"
_NUM_KEPT = 3  # assembled tables of a use case
_NUM_SHOWN = 5
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an assembled table is written, and by whom.

    Attributes:
        folder: Folder for the result, `recordings-DIGEST` in it.
        beam_args: Beam options of an engine whose workers assemble the parts, and share `folder`;
            None for this process.
        part_bytes: Size of the raw files, or of the values of a long table, in one part.
    """

    folder: Path
    beam_args: Sequence[str] | None = None
    part_bytes: int = PART_BYTES


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A table that was assembled from raw recordings.

    Attributes:
        folder: Folder of the Parquet files.
        pattern: Path of these files, a glob.
        num_recordings: Recordings in the table.
        num_rows: Its rows: as many, or one for each window.
        bad: Recordings that were left out, with their reasons.
        notes: What was decided and counted, in words.
        raw: Digest of the raw files and of the tables of labels and events.
        raw_path: The path of the raw files, as it was given.
        num_unnamed: Recordings of the table, to predict, that the table of labels does not name.
        table: Digest of the table itself; one that was damaged or changed since is not used.
    """

    folder: Path
    pattern: str
    num_recordings: int
    num_rows: int
    bad: tuple[BadRecording, ...]
    notes: tuple[str, ...]
    raw: FilesDigest
    raw_path: str
    num_unnamed: int = 0
    table: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The Parquet files, in the order of the table."""
        return tuple(str(file) for file in sorted(self.folder.glob(PATTERN)))

    def properties(self) -> dict[str, str | int]:
        """Returns what to note of the raw files on an `Examples` artifact, for lineage to show."""
        return self.raw.raw_properties(self.raw_path)


def assemble(  # noqa: PLR0913 - what a table of recordings depends on
    path: str,
    data: Data,
    *,
    label: Label | None,
    folder: Path,
    target: Target,
    rates: Mapping[str, float] | None = None,
    left_out: Sequence[Path] = (),
    units: Sequence[tuple[str, str]] = (),
) -> Assembled:
    """Assembles raw recordings, unless the same files were assembled in the same way before.

    The table is one data set in one file or several, whose names are in its order. It is the same
    whoever assembles it. A few parts of it are in memory at a time.

    Args:
        path: The raw files: a file, a folder or a glob; relative to `folder`.
        data: The config's `data` block: `recordings`, `max_bad_rows`, and how tables are written.
        label: The label; None for predictions, whose rows have no label column.
        folder: The folder of the YAML, to which `path`, `labels` and `events` are relative.
        target: Where the table is written, and by whom.
        rates: Nominal rate in Hz by channel, from the features: recordings of another rate are
            resampled to it. Without one, a recording keeps its rate.
        left_out: Files at the path that are no recordings, besides the config's tables.
        units: The unit of each channel, which a row of units must have.

    Raises:
        InputError: There are no recordings or no windows of them, more than `max_bad_rows` of them
            are bad, or the options do not fit the files.
    """
    options = data.recordings
    if options is None:
        raise InputError("data.recordings is not set, so there is nothing to assemble.")
    beside = [folder / name for name in (options.labels, options.events) if name is not None]
    base, files = list_raw_files(path, options.media, folder=folder, others=[*beside, *left_out])
    own = target.folder
    own.mkdir(parents=True, exist_ok=True)
    digest = _digest([*files, *(str(p) for p in beside if p.is_file())], base, own)
    request = Request(
        files=files,
        base=base,
        data=data,
        label=label,
        folder=folder,
        nominal_hz=_nominal_rate(rates or {}),
        units=tuple(units) if data.units_row else (),
    )
    place = own / f"{_PREFIX}{_key(digest, request, target.part_bytes)[:16]}"
    remove_abandoned(own, _PREFIX, lock=own / _LOCK)
    if (assembled := _intact(place)) is None:
        with FileLock(own / _LOCK):  # another process may be at it
            if (assembled := _intact(place)) is None:
                with new_folder(place) as draft:
                    spread = choose_spread(target.beam_args, draft)
                    assembly = Assembly(request, spread, target.part_bytes)
                    _write_table(assembly, draft, digest, path)
                remove_superseded(own, _PREFIX, num_kept=_NUM_KEPT)
                assembled = read_record(place)
    _check_usable(assembled, data.max_bad_rows, is_kept=label is not None)
    return assembled


def _intact(place: Path) -> Assembled | None:
    """Returns an earlier assembly; None if there is none, or if its files are not as it wrote them.

    A table that was cut short or edited would else be read as the recordings that it names.
    """
    try:
        assembled = read_record(place)
        return assembled if assembled.table == _digest_table(place) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest_table(folder: Path) -> str:
    """Returns the digest of a table if it has any rows; it is read only if it has changed."""
    files = [str(file) for file in sorted(folder.glob(PATTERN))]
    if not files:
        return ""
    kept = str(folder.parent / KEPT_DIGESTS)
    return digest_local_files(files, str(folder), kept_digests=kept).digest


def _digest(files: list[str], base: str, target: Path) -> FilesDigest:
    _progress.info("looking for changes in %s of recordings", count(len(files), "file"))
    return digest_local_files(files, base, kept_digests=str(target / KEPT_DIGESTS))


def _key(digest: FilesDigest, request: Request, part_bytes: int) -> str:
    """Returns the digest of all that the assembled table depends on."""
    data = replace(request.data, path="-", dataset=None, options={}, max_bad_rows=0)
    parts = {
        "files": digest.digest,
        "data": TypeAdapter(Data).dump_python(data, mode="json"),
        "label": TypeAdapter(Label | None).dump_python(request.label, mode="json"),
        "rate": request.nominal_hz,
        "part": part_bytes,
        "code": code_digest(CODE),
    } | ({"units": request.units} if request.units else {})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _nominal_rate(rates: Mapping[str, float]) -> float | None:
    """Returns the rate that all channels have."""
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"`{name}` {rate:g} Hz" for name, rate in rates.items())
        raise InputError(
            f"The channels of a recording must have one sampling_rate_hz, got {listed}. Set one "
            "rate in all of these features."
        )
    return next(iter(rates.values()), None)


def _write_table(assembly: Assembly, folder: Path, raw: FilesDigest, raw_path: str) -> None:
    outcome = assembly.write(folder)
    for remains in {*folder.iterdir()} - {*folder.glob(PATTERN)}:  # of ranges and lost workers
        remains.unlink()
    assembled = Assembled(
        folder=Path(),
        pattern="",
        raw=raw,
        raw_path=raw_path,
        table=_digest_table(folder),
        **vars(outcome),
    )
    entries = asdict(assembled) | {"folder": ""}
    (folder / RECORD).write_text(json.dumps(entries, indent=1), encoding="utf-8")


def read_record(folder: Path) -> Assembled:
    """Returns what is recorded of an assembled table."""
    entries = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    raw = entries["raw"] | {"names": tuple(entries["raw"]["names"])}
    bad = tuple(BadRecording(**one) for one in entries["bad"])
    name = PATTERN if len(list(folder.glob(PATTERN))) > 1 else FILE_NAME
    return Assembled(
        **entries
        | {"folder": folder, "pattern": str(folder / name), "bad": bad}
        | {"notes": tuple(entries["notes"]), "raw": FilesDigest(**raw)}
    )


def raw_recordings(folder: str) -> Assembled | None:
    """Returns what is recorded of the table in a folder; None if it was not assembled."""
    return read_record(Path(folder)) if (Path(folder) / RECORD).is_file() else None


def _check_usable(assembled: Assembled, max_bad: int, *, is_kept: bool) -> None:
    num_bad = len(assembled.bad)
    if num_bad <= max_bad and assembled.num_rows:
        return
    shown = "\n".join(f"  {bad}" for bad in assembled.bad[:_NUM_SHOWN])
    more = num_bad - _NUM_SHOWN
    shown += f"\n  and {more:,} more" if more > 0 else ""
    if not assembled.num_recordings:
        raise InputError(f"No recording of {assembled.raw_path} can be used:\n{shown}")
    if num_bad <= max_bad:
        reasons = "\n".join(f"  {note}" for note in assembled.notes)
        raise InputError(
            f"The recordings of {assembled.raw_path} give no window:\n{reasons}\nChange the length "
            "of data.recordings.window, or give longer recordings."
        )
    # Predictions assemble in a temporary folder.
    place = f"All of them are in {assembled.folder / RECORD}. " if is_kept else ""
    raise InputError(
        f"{count(num_bad, 'recording')} cannot be used, more than data.max_bad_rows = {max_bad}:\n"
        f"{shown}\n{place}Fix the data, or allow more with data.max_bad_rows."
    )
