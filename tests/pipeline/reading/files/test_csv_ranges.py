import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.components.arrow_example_gen import steps
from pipeline.components.arrow_example_gen.splitting import splits
from pipeline.reading import quarantine
from pipeline.reading.columns import decide_columns
from pipeline.reading.files import csv_ranges, sources
from pipeline.reading.files.pieces import PLAIN_LAYOUT
from tests.pipeline.reading.specs import spec

HEADER = b"a,b,y"


def cut(path, target_bytes, layout=PLAIN_LAYOUT):
    """Plans the pieces of one file as ingestion does."""
    whole = sources.plan_pieces([str(path)], "csv", layout=layout)
    proposed = csv_ranges.propose_pieces(whole, target_bytes)
    scans = [csv_ranges.scan_range(piece) for piece in proposed if piece.byte_range is not None]
    return csv_ranges.settle_pieces(proposed, scans)


def read(pieces):
    """All rows with their numbers, and what would go to quarantine."""
    rows, bad = [], []
    for piece in pieces:
        batches = list(sources.read_piece(piece))
        for raw in batches:
            columns = raw.batch.to_pydict().values()
            rows += zip(raw.rows.tolist(), *columns, strict=True)
        found = [one for raw in batches for one in raw.bad_rows]
        bad += [asdict(one) for one in quarantine.locate(piece, found)]
    return rows, bad


def read_or_refuse(pieces):
    """The same, or the words of the refusal."""
    try:
        return read(pieces)
    except InputError as error:
        return str(error)


def deal(pieces, folder):
    """Each row's content and split, as the passes of ingestion deal them."""
    config = spec(max_bad_rows=1_000)
    profile = steps.merge_profiles([steps.profile_piece(piece, config) for piece in pieces])
    columns = decide_columns(profile, config)
    for piece in pieces:
        steps.stage_piece(piece, columns, config, folder=folder, uri=folder, num_pieces=len(pieces))
    counts = steps.merge_counts([steps.count_piece(piece, config, folder) for piece in pieces])
    if counts.counts.sum(axis=0).min() < 3:
        return "too few rows of a class"
    cuts = splits.stratified_cuts(counts, config.shares)
    found = splits.CutCounts.concatenate([steps.rows_at_cuts(p, cuts, folder) for p in pieces])
    plan = splits.StratifiedPlan(thresholds=tuple(splits.find_thresholds(cuts, found)))
    dealt = Counter()
    for piece in pieces:
        keys = steps.staging.load_keys(folder, piece.index)
        if keys is not None:
            assigned = plan.assign(keys.as_rows(piece.index))
            dealt.update(zip(keys.content.tolist(), assigned.tolist(), strict=True))
    return dealt


plain = st.text(st.sampled_from("ab7é☃\ufeff. "), max_size=4)
quoted = st.text(st.sampled_from('ab,é"'), max_size=4).map(
    lambda text: '"' + text.replace('"', '""') + '"'
)
# Quotes that do not follow the rule, and line breaks within quotes.
odd = st.sampled_from(['5" x', '"a\nb"', '"a\r\nb"', '"a\rb"', '"a"b', '"a" "b"', ' "a"', '"'])
good_rows = st.tuples(plain | quoted, plain | quoted, st.sampled_from("01")).map(",".join)
ragged_rows = st.lists(plain | quoted, min_size=1, max_size=4).map(",".join)
regular_lines = st.lists(good_rows | good_rows | ragged_rows | st.just(""), max_size=30)
any_lines = st.lists(
    good_rows | good_rows | ragged_rows | st.just("") | st.tuples(odd, odd).map(",".join),
    max_size=20,
)
contents = st.builds(
    lambda mark, blank, lines, end, last: (
        mark + blank + end.join([HEADER, *(line.encode() for line in lines)]) + last
    ),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.sampled_from([b"", b"", b"", b"\n"]),
    regular_lines | any_lines,
    st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"\n", b"\r\n", b""]),
)

layouts = st.sampled_from(
    [PLAIN_LAYOUT, CsvLayout(units_row=True), CsvLayout(header=("a", "b", "y"))]
)


@settings(max_examples=150, deadline=None)
@given(contents, st.integers(1, 60), layouts)
@example(HEADER + b'\n1,"x,0\ny",1\n' * 8, 9, PLAIN_LAYOUT)
@example(HEADER + b"\n,,0" * 7 + b'\n5" x,"' + b"\n,,0" * 2, 1, PLAIN_LAYOUT)
@example(HEADER + b'\n5" a,"x\ny",0"' * 4, 5, PLAIN_LAYOUT)
@example(HEADER + b'\n\xef\xbb\xbf"a,1,0\nb,2,1\n' * 4, 5, PLAIN_LAYOUT)
def test_rows_quarantine_and_splits_do_not_depend_on_the_cut(content, target_bytes, layout):
    # Arrow takes no header without a line break behind it, cut or not.
    content = content if content.strip(b"\xef\xbb\xbf\n") != HEADER else content + b"\n"
    if layout.units_row:
        content = content.replace(HEADER, HEADER + b"\nbar,K,-", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(content)
        whole, pieces = cut(path, 1 << 20, layout), cut(path, target_bytes, layout)
        assert len(whole) == 1
        expected = read_or_refuse(whole)
        assert read_or_refuse(pieces) == expected
        if isinstance(expected, str):
            return
        assert deal(pieces, f"{folder}/cut") == deal(whole, f"{folder}/whole")


def test_a_regular_file_is_cut_and_its_pieces_know_their_rows_and_lines(tmp_path):
    path = tmp_path / "a.csv"
    # Lines begin at 0, 6, 12, 13, 19 and 25; the bounds 10 and 20 move on to 12 and 25.
    path.write_bytes(b'a,b,y\n1,2,0\n\n"3",0\n4,5,1\n6,7,0\n')
    pieces = cut(path, 8)
    assert [piece.byte_range for piece in pieces] == [(0, 12), (12, 25), (25, 31)]
    assert [(piece.first_row, piece.lines_before) for piece in pieces] == [(0, 0), (1, 2), (3, 5)]
    _, [bad] = read(pieces)
    assert (bad["row"], bad["line"], bad["text"]) == (2, 4, "3,0")


@pytest.mark.parametrize(
    "line",
    [b'"a\nb",2,0', b'5" x,2,0', b'"a" "b",2,0', b'a"b,"c\nd",0"', b'"a\rb",2,0'],
)
def test_one_line_whose_quotes_do_not_tell_makes_the_file_one_piece(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b"\n" + b"1,2,0\n" * 50 + line + b"\n" + b"1,2,0\n" * 50)
    assert [piece.byte_range for piece in cut(path, 64)] == [None]


def test_quotes_around_fields_with_delimiters_and_escapes_do_not_hinder_the_cut(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b"\n" + b'"a,""b""",,0\n"",x,1\n' * 50)
    pieces = cut(path, 64)
    assert len(pieces) > 10
    assert read(pieces)[0][:2] == [(1, b'a,"b"', None, b"0"), (2, None, b"x", b"1")]


def test_gzipped_and_small_files_stay_whole_and_indices_run_on(tmp_path):
    import gzip

    (tmp_path / "a.csv").write_bytes(HEADER + b"\n" + b"1,2,0\n" * 50)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress((HEADER + b"\n1,2,0\n") * 50))
    (tmp_path / "c.csv").write_bytes(HEADER + b"\n1,2,0\n")
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv.gz", "c.csv")]
    proposed = csv_ranges.propose_pieces(sources.plan_pieces(files, "csv"), 100)
    scans = [csv_ranges.scan_range(piece) for piece in proposed if piece.byte_range is not None]
    pieces = csv_ranges.settle_pieces(proposed, scans)
    assert [piece.index for piece in pieces] == [0, 1, 2, 3, 4]
    assert [piece.file for piece in pieces] == [0, 0, 0, 1, 2]
    assert [piece.byte_range is None for piece in pieces] == [False, False, False, True, True]


def test_a_line_longer_than_the_scan_holds_makes_the_file_one_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_ranges, "_BLOCK_BYTES", 16)
    monkeypatch.setattr(csv_ranges, "_MAX_LINE_BYTES", 64)
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b"\n" + b"1,2,0\n" * 50)
    assert len(cut(path, 100)) == 3
    path.write_bytes(HEADER + b"\n" + b"1" * 200 + b",2,0\n" * 50)
    assert len(cut(path, 100)) == 1


def test_rows_are_counted_over_many_blocks_of_the_scan(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_ranges, "_BLOCK_BYTES", 16)
    path = tmp_path / "a.csv"
    path.write_bytes(b"\r\n".join([HEADER, *(b'%d,"x",0' % row for row in range(200)), b""]))
    rows, bad = read(cut(path, 100))
    assert bad == []
    assert [row[0] for row in rows] == list(range(1, 201))
    assert np.array_equal([int(row[1]) for row in rows], np.arange(200))
