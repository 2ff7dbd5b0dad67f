"""The passes over the data, each a Beam pipeline whose elements are pieces of the data."""

import functools
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.example_files import split_folder
from pipeline.components.arrow_example_gen import checks, staging, steps
from pipeline.components.arrow_example_gen.splitting import groups, splits, time_units
from pipeline.config import SPLITS
from pipeline.reading import quarantine
from pipeline.reading.columns import check_names, decide_columns
from pipeline.reading.files import csv_ranges, sources
from pipeline.reading.files.pieces import Piece, resolve_path
from pipeline.reading.ingest_spec import IngestSpec

Value = TypeVar("Value")
MakePipeline = Callable[[], beam.Pipeline]

# Content hashes are compared in this many ranges where there are many rows.
_NUM_PARTS = 2_048
_MANY_ROWS = 1 << 21


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What ingestion did.

    Attributes:
        num_rows: Rows written.
        num_bad_rows: Rows in quarantine.
        num_unlabelled: Rows without a label, beside the splits.
        num_duplicates: Rows dropped because they repeat another.
        num_positives_read: Positive rows before duplicates were dropped.
        rows: Rows of each split.
        positives: Positive rows of each split.
        remarks: Sentences on columns that some of the files lack, on columns that nothing needs
            and whose values do not fit, and on splits that miss the prevalence or their share.
    """

    num_rows: int
    num_bad_rows: int
    num_unlabelled: int
    num_duplicates: int
    num_positives_read: int
    rows: dict[str, int]
    positives: dict[str, int]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Value]):
    """What came of a piece: a value, or the message of an `InputError` and the piece's place.

    An exception that crosses a Beam runner loses its type, so bad input travels as a value.
    """

    value: Value | None = None
    error: tuple[int, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Runs functions over the pieces of the data.

    Attributes:
        pieces: The pieces.
        staged: The staging folder, which every worker can reach.
        make_pipeline: Makes a Beam pipeline with the run's options.
    """

    pieces: tuple[Piece, ...]
    staged: str
    make_pipeline: MakePipeline

    def run(
        self, work: Callable[[Piece], Value], merge: Callable[[Sequence[Value]], Value], name: str
    ) -> Value:
        """Returns what `work` makes of all pieces, merged.

        Raises:
            InputError: The first piece's that raised one.
        """
        with self.make_pipeline() as pipeline:
            pieces = pipeline | "Pieces" >> beam.Create(self.pieces)
            several = len(self.pieces) > 1
            # One piece needs neither shuffle nor merge, which take Beam longer than small data.
            spread = pieces | "Spread" >> beam.Reshuffle() if several else pieces
            outcomes = spread | "Work" >> beam.Map(functools.partial(_attempt, work))
            merged = (
                outcomes | "Merge" >> beam.CombineGlobally(functools.partial(_merge, merge))
                if several
                else outcomes
            )
            _ = merged | "Keep" >> beam.Map(functools.partial(_save, self.staged, name))
        outcome: Outcome[Value] = _load(self.staged, name)
        if outcome.error is not None:
            raise InputError(outcome.error[1])
        if outcome.value is None:
            raise RuntimeError(f"The pass `{name}` has no result.")
        return outcome.value

    def drop_duplicates(self, num_rows: int) -> None:
        """Notes the rows that repeat an earlier one in the staging folder."""
        num_parts = 1 if num_rows < _MANY_ROWS else _NUM_PARTS
        part = functools.partial(steps.content_parts, folder=self.staged, num_parts=num_parts)
        with self.make_pipeline() as pipeline:
            (
                pipeline
                | "Pieces" >> beam.Create(self.pieces)
                | "Spread" >> beam.Reshuffle()
                | "Parts" >> beam.FlatMap(part)
                | "ByHash" >> beam.GroupByKey()
                | "Repeats" >> beam.FlatMapTuple(_find_duplicates)
                | "ByPiece" >> beam.GroupByKey()
                | "Note" >> beam.MapTuple(functools.partial(_drop_rows, self.staged))
            )


def _find_duplicates(
    _: int, parts: Iterable[tuple[int, npt.NDArray[np.uint64], npt.NDArray[np.int64]]]
) -> Iterable[tuple[int, npt.NDArray[np.int64]]]:
    return steps.find_duplicates(list(parts))


def _drop_rows(staged: str, piece: int, numbers: Iterable[npt.NDArray[np.int64]]) -> None:
    steps.drop_rows(piece, list(numbers), staged)


def _attempt(work: Callable[[Piece], Value], piece: Piece) -> Outcome[Value]:
    try:
        return Outcome(value=work(piece))
    except InputError as error:
        return Outcome(error=(piece.index, str(error)))


def _merge(
    merge: Callable[[Sequence[Value]], Value], outcomes: Iterable[Outcome[Value]]
) -> Outcome[Value]:
    given = list(outcomes)
    errors = [outcome.error for outcome in given if outcome.error is not None]
    if errors:
        return Outcome(error=min(errors))
    found = [outcome.value for outcome in given if outcome.value is not None]
    return Outcome(value=merge(found)) if found else Outcome()


def _save(folder: str, name: str, value: object) -> None:
    filesystem, inner = resolve_path(folder)
    filesystem.create_dir(inner, recursive=True)
    with filesystem.open_output_stream(f"{inner}/{name}.pickle") as stream:
        stream.write(pickle.dumps(value))


def _load(folder: str, name: str) -> Any:
    filesystem, inner = resolve_path(folder)
    with filesystem.open_input_stream(f"{inner}/{name}.pickle") as stream:
        return pickle.loads(stream.read())  # noqa: S301 - our own file of a moment ago


def ingest(
    files: Sequence[str],
    spec: IngestSpec,
    *,
    uri: str,
    reports_dir: str,
    make_pipeline: MakePipeline,
    range_bytes: int = csv_ranges.TARGET_BYTES,
) -> Summary:
    """Reads files, deals their rows to splits, and writes an Examples artifact.

    Args:
        files: The data files, in order.
        spec: What the config says.
        uri: Folder of the artifact; gets `Split-train`, `Split-eval`, `Split-test`; if rows lack a
            label, `Split-unlabelled`; and if rows were bad, `quarantine/bad_rows.jsonl`.
        reports_dir: Folder that outlives a failed run.
        make_pipeline: Makes a Beam pipeline with the run's options.
        range_bytes: Size of the ranges into which a large CSV file is cut.

    Raises:
        InputError: The data cannot be used; the message says why.
    """
    file_format = sources.common_format(files, spec.format)
    # A block goes on where the rows before it ended, so one worker reads a file in order.
    whole_files = spec.strategy == "blocks"
    pieces = tuple(
        sources.plan_pieces(files, file_format, layout=spec.layout, whole_files=whole_files)
    )
    staged = f"{uri}/.staged"
    passes = Passes(pieces=pieces, staged=staged, make_pipeline=make_pipeline)
    if file_format == "csv" and not whole_files:
        passes = _cut_files(passes, range_bytes)
    report, remarks = _stage(passes, spec, files, uri=uri, reports_dir=reports_dir)
    bad_rows = report.ordered_bad_rows()
    checks.check_rows(
        report.num_rows,
        files,
        num_bad=report.num_bad_rows,
        label=spec.label,
        num_unlabelled=report.num_unlabelled,
    )
    if spec.drop_duplicates:
        passes.drop_duplicates(report.num_rows)
    plan, imbalance = _make_plan(passes, spec, report.labels)
    written = _write(passes, plan, uri, with_block=bool(spec.block_rows))
    if bad_rows:
        quarantine.write_quarantine(f"{uri}/quarantine", bad_rows)
    staging.delete_staging(staged)
    return Summary(
        num_rows=int(written.sum()),
        num_bad_rows=report.num_bad_rows,
        num_unlabelled=report.num_unlabelled,
        num_duplicates=report.num_rows - int(written.sum()),
        num_positives_read=report.num_positives,
        rows={name: int(written[i].sum()) for i, name in enumerate(SPLITS)},
        positives={name: int(written[i, 1]) for i, name in enumerate(SPLITS)},
        remarks=(*remarks, *imbalance),
    )


def _cut_files(passes: Passes, range_bytes: int) -> Passes:
    """Cuts large CSV files into byte ranges, after a look at their quotes."""
    proposed = csv_ranges.propose_pieces(passes.pieces, range_bytes)
    ranges = tuple(piece for piece in proposed if piece.byte_range is not None)
    if not ranges:
        return passes
    scans = replace(passes, pieces=ranges).run(_scan, _concatenate, "ranges")
    return replace(passes, pieces=tuple(csv_ranges.settle_pieces(proposed, scans)))


def _scan(piece: Piece) -> list[csv_ranges.RangeScan]:
    return [csv_ranges.scan_range(piece)]


def _concatenate(parts: Sequence[list[csv_ranges.RangeScan]]) -> list[csv_ranges.RangeScan]:
    return [scan for part in parts for scan in part]


def _stage(
    passes: Passes, spec: IngestSpec, files: Sequence[str], *, uri: str, reports_dir: str
) -> tuple[steps.StageReport, tuple[str, ...]]:
    """Decides the columns over the whole data, and types every row.

    Returns:
        What staging found, and the remarks of `Summary`.
    """
    profile = passes.run(
        functools.partial(steps.profile_piece, spec=spec), steps.merge_profiles, "profile"
    )
    where = files[0] if len(files) == 1 else f"any of the {len(files)} files"
    check_names(list(profile.kinds), spec, where=where)
    columns = decide_columns(profile, spec)
    stage = functools.partial(
        steps.stage_piece,
        columns=columns,
        spec=spec,
        folder=passes.staged,
        uri=uri,
        num_pieces=len(passes.pieces),
    )
    report = passes.run(stage, steps.merge_reports, "stage")
    quarantine.check_bad_rows(
        report.ordered_bad_rows(),
        num_bad_rows=report.num_bad_rows,
        max_bad_rows=spec.max_bad_rows,
        reports_dir=reports_dir,
    )
    remarks = [
        sources.describe_missing(name, sorted(profile.lacking[name]), len(files))
        for name in sorted(profile.lacking)
    ]
    remarks += [
        f"column `{name}`, which nothing uses: {number:,} values do not fit and count as missing"
        for name, number in sorted(report.num_unread.items())
    ]
    return report, tuple(remarks)


def _make_plan(
    passes: Passes, spec: IngestSpec, labels: dict[str, int]
) -> tuple[steps.Plan, tuple[str, ...]]:
    """Returns the plan, and sentences on splits that miss the prevalence or their share."""
    counts = passes.run(
        functools.partial(steps.count_piece, spec=spec, folder=passes.staged),
        steps.merge_counts,
        "counts",
    )
    checks.check_classes(counts, labels, spec)
    if spec.strategy == "stratified":
        in_window = spec.in_window
        dealt = splits.stratified_rows(counts, spec.shares, in_window=in_window)
        remarks = checks.check_shares(dealt, spec)
        cuts = splits.stratified_cuts(counts, spec.shares, in_window=in_window)
        rows = passes.run(
            functools.partial(steps.rows_at_cuts, cuts=cuts, folder=passes.staged),
            splits.CutCounts.concatenate,
            "cuts",
        )
        return splits.StratifiedPlan(thresholds=tuple(splits.find_thresholds(cuts, rows))), remarks
    if spec.strategy == "time":
        units = time_units.refine_units(counts, spec.shares, functools.partial(_recount, passes))
        plan = checks.check_plan(time_units.plan_time(units, spec.shares), spec)
    elif spec.eval_within_groups:
        return _plan_within_groups(passes, spec, counts)
    else:
        plan = checks.check_plan(groups.plan_groups(counts, spec.shares), spec)
    return plan, checks.check_shares(plan.rows, spec)


def _plan_within_groups(
    passes: Passes, spec: IngestSpec, counts: splits.KeyCounts
) -> tuple[steps.Plan, tuple[str, ...]]:
    """Deals groups to test, and the rows of the other groups to train and eval."""
    by_group = checks.check_plan(groups.plan_test_groups(counts, spec.shares), spec)
    outside = functools.partial(steps.count_outside_test, groups=by_group, folder=passes.staged)
    content = passes.run(outside, steps.merge_counts, "outside")
    within = groups.shares_within(spec.shares)
    dealt = np.vstack([splits.stratified_rows(content, within), by_group.rows[1:]])
    remarks = checks.check_shares(dealt, spec)
    cuts = splits.stratified_cuts(content, within)
    rows = passes.run(
        functools.partial(steps.rows_at_cuts, cuts=cuts, folder=passes.staged, groups=by_group),
        splits.CutCounts.concatenate,
        "cuts",
    )
    plan = splits.WithinGroupsPlan(
        groups=by_group,
        within=splits.StratifiedPlan(thresholds=tuple(splits.find_thresholds(cuts, rows))),
    )
    num_test = int((by_group.splits == 1).sum())
    return plan, (checks.describe_within_groups(num_test, len(by_group.keys), spec), *remarks)


def _recount(passes: Passes, ranges: Sequence[time_units.KeyRange]) -> splits.KeyCounts:
    count = functools.partial(steps.count_in_ranges, ranges=ranges, folder=passes.staged)
    return passes.run(count, steps.merge_counts, "recount")


def _write(
    passes: Passes, plan: steps.Plan, uri: str, *, with_block: bool
) -> npt.NDArray[np.int64]:
    write = functools.partial(
        steps.write_piece,
        plan=plan,
        staged=passes.staged,
        folders=[split_folder(uri, name) for name in SPLITS],
        num_pieces=len(passes.pieces),
        with_block=with_block,
    )
    return passes.run(write, _sum, "written")


def _sum(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    total: npt.NDArray[np.int64] = np.stack(parts).sum(axis=0)
    return total
