"""Work on one piece of the data in each pass; plain functions, without Beam."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from common.example_files import BLOCK_COLUMN
from pipeline.components.arrow_example_gen import staging
from pipeline.components.arrow_example_gen.split_writers import SplitWriters, UnlabelledWriter
from pipeline.components.arrow_example_gen.splitting.blocks import BlockNumberer, block_keys
from pipeline.components.arrow_example_gen.splitting.splits import (
    NUM_SPLITS,
    Cut,
    CutCounts,
    KeyCounts,
    Rows,
    StratifiedPlan,
    TablePlan,
    WithinGroupsPlan,
    bucket_counts,
)
from pipeline.components.arrow_example_gen.splitting.time_units import KeyRange, in_ranges
from pipeline.components.beam_progress import count_rows
from pipeline.reading import hashing
from pipeline.reading.columns import (
    ARROW_TYPES,
    Column,
    Profile,
    check_names,
    kind_of,
)
from pipeline.reading.files import sources
from pipeline.reading.files.csv_header import check_layout
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.quarantine import locate
from pipeline.reading.typing_rows import TypedBatch, type_batch, unwrap

_MAX_DETAILS = 1_000
_WRITE_ROWS = 8_192

Plan = StratifiedPlan | TablePlan | WithinGroupsPlan
Ints = npt.NDArray[np.int64]


def profile_piece(piece: Piece, spec: IngestSpec) -> Profile:
    """Returns what the columns of a piece are; reads only what the file does not say itself.

    Raises:
        InputError: The file cannot be read, lacks the label or the column of the split, or spells
            a column's name differently. A file may lack a feature, whose values are missing there.
    """
    profile = Profile()
    columns: list[str] | None = None
    if piece.format != "tfrecord":
        schema = sources.read_schema(piece)
        in_each_file = [name for name in (spec.label, spec.split_column) if name is not None]
        absent = {*spec.required, *in_each_file}.difference(schema.names)
        check_layout(piece, sorted(absent))
        sources.check_spellings(
            piece.path, schema.names, absent, distinct={*spec.required, *spec.columns}
        )
        check_names(schema.names, spec, where=piece.path, required=in_each_file)
        profile.lacking = {name: {piece.path} for name in absent}
        csv = piece.format == "csv"
        profile.kinds = {column.name: {kind_of(column.type, csv=csv)} for column in schema}
    if piece.format == "parquet":
        asked = {*spec.numbers, *spec.times}
        columns = [n for n, kinds in profile.kinds.items() if n in asked and kinds == {"bytes"}]
        if not columns:
            return profile
    for raw in _read(piece, columns):
        profile.add_batch(raw.batch, spec, csv=piece.format == "csv")
    return profile


def _read(piece: Piece, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    for raw in sources.read_piece(piece, columns=columns):
        if piece.format == "tfrecord":
            raw.batch = unwrap(raw.batch)
        yield raw


def merge_profiles(profiles: Sequence[Profile]) -> Profile:
    """Returns what all the profiles show together."""
    merged = Profile()
    for profile in profiles:
        merged.merge(profile)
    return merged


@dataclass(kw_only=True)
class StageReport:
    """What reading and typing a piece has found.

    Attributes:
        num_rows: Good rows.
        num_positives: Positive rows among them.
        num_bad_rows: Rows that could not be read.
        num_unlabelled: Rows without a label.
        bad_rows: The bad rows, by piece; of very many only the first of each piece.
        labels: Distinct texts of the label and how often each, a few of them.
        num_unread: Values that do not fit and count as missing, by column that nothing needs.
    """

    num_rows: int = 0
    num_positives: int = 0
    num_bad_rows: int = 0
    num_unlabelled: int = 0
    bad_rows: dict[int, list[BadRow]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    num_unread: Counter[str] = field(default_factory=Counter)

    def count(self, typed: TypedBatch) -> None:
        """Counts the rows of a batch; its bad rows are noted apart."""
        self.num_rows += len(typed.rows)
        self.num_unlabelled += typed.unlabelled.num_rows
        self.num_unread.update(typed.num_unread)
        for text, num in typed.labels.items():
            self.labels[text] = self.labels.get(text, 0) + num

    def ordered_bad_rows(self) -> list[BadRow]:
        """Returns the bad rows in the order of the data."""
        return [bad for piece in sorted(self.bad_rows) for bad in self.bad_rows[piece]]


def merge_reports(reports: Sequence[StageReport]) -> StageReport:
    """Returns what all the reports found together."""
    merged = StageReport()
    for report in reports:
        merged.num_rows += report.num_rows
        merged.num_positives += report.num_positives
        merged.num_bad_rows += report.num_bad_rows
        merged.num_unlabelled += report.num_unlabelled
        merged.bad_rows.update(report.bad_rows)
        merged.num_unread.update(report.num_unread)
        for text, num in report.labels.items():
            merged.labels[text] = merged.labels.get(text, 0) + num
    return merged


def stage_piece(
    piece: Piece,
    columns: Sequence[Column],
    spec: IngestSpec,
    *,
    folder: str,
    uri: str,
    num_pieces: int,
) -> StageReport:
    """Reads and types a piece once, and writes its rows and their keys to the staging folder.

    Args:
        piece: The piece.
        columns: The columns of the examples.
        spec: The ingestion settings.
        folder: The staging folder.
        uri: Folder of the artifact; gets the rows without a label.
        num_pieces: Number of pieces, for the files' names.

    Raises:
        InputError: The file cannot be read.
    """
    report = StageReport()
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
    writer = staging.StageWriter(folder=folder, piece=piece.index, schema=schema)
    unlabelled = UnlabelledWriter(uri, piece=piece.index, num_pieces=num_pieces)
    bad_rows: list[BadRow] = []
    numberer = BlockNumberer(block_rows=spec.block_rows) if spec.block_rows else None
    limit = max(_MAX_DETAILS, spec.max_bad_rows + 1)
    for raw in _read(piece):
        typed = type_batch(raw, columns, spec, path=piece.path)
        found = raw.bad_rows + typed.bad_rows
        report.num_bad_rows += len(found)
        bad_rows += found[: limit - len(bad_rows)]
        report.count(typed)
        unlabelled.write(typed.unlabelled)
        if len(typed.rows):
            keys = row_keys(typed, spec)
            report.num_positives += int(keys.labels.sum())
            if numberer is not None:
                blocks = numberer.number(keys.labels, keys.numbers)
                keys.keys = block_keys(blocks, piece.file, spec.seed)
            writer.write(typed.batch, keys)
        count_rows(len(typed.rows), typed.batch.nbytes)
    writer.close()
    unlabelled.close()
    if bad_rows:
        report.bad_rows = {piece.index: locate(piece, bad_rows)}
    return report


def row_keys(typed: TypedBatch, spec: IngestSpec) -> staging.RowKeys:
    """Returns the keys by which the rows of a typed batch are dealt, but by blocks.

    A block depends on the rows before the batch, so `stage_piece` gives its key.
    """
    content = hashing.hash_rows(typed.batch, spec.seed)
    labels = np.asarray(typed.batch.column(spec.label)).astype(bool)
    if spec.strategy == "stratified" or spec.split_column is None:
        keys = content
    elif spec.strategy == "group":
        groups = hashing.hash_column(typed.batch.column(spec.split_column))
        keys = hashing.mix(groups ^ hashing.salt(f"seed {spec.seed}"))
    else:
        times = np.asarray(typed.batch.column(spec.split_column), np.int64)
        keys = times.view(np.uint64) ^ np.uint64(1 << 63)  # keeps the order of negative times
    return staging.RowKeys(keys=keys, content=content, labels=labels, numbers=typed.rows)


def content_parts(
    piece: Piece, folder: str, num_parts: int
) -> Iterator[tuple[int, tuple[int, hashing.Hashes, Ints]]]:
    """Yields the distinct content hashes of a piece, each with its first row, by range of the hash.

    The rows that repeat an earlier one of the piece are noted in the staging folder, so a row that
    is there very often does not travel.
    """
    keys = staging.load_keys(folder, piece.index)
    if keys is None:
        return
    # Rows of a piece are in the order of their numbers, and of equal ones `unique` takes the first.
    hashes, firsts = np.unique(keys.content, return_index=True)
    numbers = keys.numbers[firsts]
    repeats = np.delete(keys.numbers, firsts)
    staging.save_arrays(folder, staging.repeats_name(piece.index), {"numbers": repeats})
    parts = (hashes >> np.uint64(32)) * np.uint64(num_parts) >> np.uint64(32)
    present, starts = np.unique(parts, return_index=True)
    ends = np.append(starts[1:], len(parts))
    for part, start, end in zip(present, starts, ends, strict=True):
        yield int(part), (piece.index, hashes[start:end], numbers[start:end])


def find_duplicates(
    parts: Sequence[tuple[int, hashing.Hashes, Ints]],
) -> Iterator[tuple[int, Ints]]:
    """Yields each piece's rows that repeat one of an earlier piece, of hashes in one range."""
    pieces = np.concatenate([np.full(len(p[1]), p[0], np.int64) for p in parts])
    hashes = np.concatenate([p[1] for p in parts])
    numbers = np.concatenate([p[2] for p in parts])
    order = np.lexsort((pieces, hashes))
    repeats = order[1:][hashes[order][1:] == hashes[order][:-1]]
    for piece in np.unique(pieces[repeats]):
        yield int(piece), numbers[repeats[pieces[repeats] == piece]]


def drop_rows(piece: int, numbers: Sequence[Ints], folder: str) -> None:
    """Notes the rows of a piece that repeat one of an earlier piece in the staging folder."""
    repeats = {"numbers": np.concatenate(list(numbers))}
    staging.save_arrays(folder, staging.repeats_name(piece, across=True), repeats)


def count_piece(piece: Piece, spec: IngestSpec, folder: str) -> KeyCounts:
    """Counts the kept rows of a piece by key and class."""
    counts = bucket_counts() if spec.strategy == "stratified" else KeyCounts()
    keys = staging.load_keys(folder, piece.index)
    if keys is not None:
        kept = keys.kept(folder, piece.index)
        counts.add(keys.keys[kept], keys.labels[kept])
    return counts


def merge_counts(parts: Sequence[KeyCounts]) -> KeyCounts:
    """Returns the rows that all have counted."""
    merged = KeyCounts(shift=parts[0].shift, limit=parts[0].limit)
    for part in parts:
        merged.merge(part)
    return merged


def count_in_ranges(piece: Piece, ranges: Sequence[KeyRange], folder: str) -> KeyCounts:
    """Counts the kept rows of a piece whose key lies in one of the ranges."""
    counts = KeyCounts()
    keys = staging.load_keys(folder, piece.index)
    if keys is not None:
        wanted = keys.kept(folder, piece.index) & in_ranges(keys.keys, ranges)
        counts.add(keys.keys[wanted], keys.labels[wanted])
    return counts


def count_outside_test(piece: Piece, groups: TablePlan, folder: str) -> KeyCounts:
    """Counts the kept rows of a piece whose group is not in test, by content and class."""
    counts = bucket_counts()
    rows = _rows_outside_test(piece, groups, folder)
    counts.add(rows.keys, rows.labels)
    return counts


def rows_at_cuts(
    piece: Piece, cuts: Sequence[Cut], folder: str, groups: TablePlan | None = None
) -> CutCounts:
    """Counts the kept rows of a piece that lie in a bucket that a cut goes through.

    Args:
        piece: The piece.
        cuts: The cuts.
        folder: The staging folder.
        groups: The plan of the groups, if the cuts are through the content of rows outside test.
    """
    if groups is not None:
        return _rows_outside_test(piece, groups, folder).at_cuts(cuts)
    return _kept_rows(piece, folder).at_cuts(cuts)


def _rows_outside_test(piece: Piece, groups: TablePlan, folder: str) -> Rows:
    rows = _kept_rows(piece, folder)
    return rows.only(groups.assign(rows) == 0).by_content()


def _kept_rows(piece: Piece, folder: str) -> Rows:
    keys = staging.load_keys(folder, piece.index)
    if keys is None:
        none = np.zeros(0, np.uint64)
        return Rows(labels=none.astype(bool), keys=none, places=np.zeros((0, 2), np.int64))
    return keys.as_rows(piece.index).only(keys.kept(folder, piece.index))


def write_piece(
    piece: Piece,
    plan: Plan,
    staged: str,
    *,
    folders: Sequence[str],
    num_pieces: int,
    with_block: bool,
) -> Ints:
    """Deals the staged rows of a piece and writes them; returns int64 [splits, classes], the rows.

    Args:
        piece: The piece.
        plan: Deals rows to splits.
        staged: The staging folder.
        folders: The folder of each split.
        num_pieces: Number of pieces, for the files' names.
        with_block: Whether each example gets its block, whose hash is its key.
    """
    written = np.zeros((NUM_SPLITS, 2), np.int64)
    writers = SplitWriters(folders, piece=piece.index, num_pieces=num_pieces)
    keys = staging.load_keys(staged, piece.index)
    if keys is not None:
        kept = keys.kept(staged, piece.index)
        splits = np.full(len(kept), -1, np.int8)
        splits[kept] = plan.assign(keys.as_rows(piece.index).only(kept))
        for label in (0, 1):
            mine = splits[keys.labels == bool(label)]
            written[:, label] = np.bincount(mine[mine >= 0], minlength=NUM_SPLITS)
        blocks = keys.keys.view(np.int64) if with_block else None
        _write_rows(piece, splits, blocks, staged, writers)
    writers.close()
    return written


def _write_rows(
    piece: Piece,
    splits: npt.NDArray[np.int8],
    blocks: Ints | None,
    staged: str,
    writers: SplitWriters,
) -> None:
    start = 0
    for batch in staging.read_rows(staged, piece.index):
        for offset in range(0, batch.num_rows, _WRITE_ROWS):
            part = batch.slice(offset, _WRITE_ROWS)
            mine = splits[start : start + part.num_rows]
            if blocks is not None:
                part = part.append_column(
                    BLOCK_COLUMN, pa.array(blocks[start : start + part.num_rows])
                )
            for split in range(NUM_SPLITS):
                writers.write(split, part.filter(pa.array(mine == split)))
            start += part.num_rows
            count_rows(part.num_rows, part.nbytes)
