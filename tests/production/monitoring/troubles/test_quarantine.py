"""Broken chunks are put into quarantine once, and a person can release them."""

import pytest

from common.errors import InputError
from production.collection.quarantine import read_quarantine
from production.monitoring.troubles.quarantine import quarantine_chunk, release_chunk
from production.monitoring.troubles.trouble import Trouble, TroubleKind
from tests.production.monitoring.pumps import Pumps, chunk_of

CHUNK = chunk_of(Pumps().rows(3, 1), 7)
STUCK = Trouble(kind=TroubleKind.STUCK, feature="load", share=0.5, words="`load` is stuck.")
LATE = Trouble(
    kind=TroubleKind.LATE_ROWS, feature=None, share=0.1, words="3 rows late.", is_broken=False
)


def test_the_reasons_are_the_troubles_that_make_the_chunk_broken(tmp_path):
    quarantine_chunk(tmp_path, CHUNK, [STUCK, LATE])
    [chunk] = read_quarantine(tmp_path)
    assert (chunk.chunk, chunk.version, chunk.reasons) == (7, 100, ("`load` is stuck.",))
    assert (chunk.since, chunk.until) == (CHUNK.since, CHUNK.until)
    assert chunk.has(CHUNK.since, 100)
    assert not chunk.has(CHUNK.until, 100)
    assert not chunk.has(CHUNK.since, 200)


def test_a_chunk_is_put_into_quarantine_once(tmp_path):
    quarantine_chunk(tmp_path, CHUNK, [STUCK])
    release_chunk(tmp_path, 7, by="ann", why="the sensor rests on Sundays")
    quarantine_chunk(tmp_path, CHUNK, [STUCK])  # after a kill, the monitor looks at it again
    assert read_quarantine(tmp_path) == []


def test_a_release_needs_a_reason_and_a_chunk(tmp_path):
    quarantine_chunk(tmp_path, CHUNK, [STUCK])
    with pytest.raises(InputError, match=r"Chunk 8 is not in quarantine\. In quarantine: 7"):
        release_chunk(tmp_path, 8, by="ann", why="a typo")
    with pytest.raises(InputError, match="--why"):
        release_chunk(tmp_path, 7, by="ann", why=" ")
    assert len(read_quarantine(tmp_path)) == 1


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "pump").write_text("")
    with pytest.raises(InputError, match=r"Cannot write to .*pump"):
        quarantine_chunk(tmp_path / "pump", CHUNK, [STUCK])


def test_without_a_file_nothing_is_in_quarantine(tmp_path):
    assert read_quarantine(tmp_path) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "quarantine.jsonl").mkdir()
    with pytest.raises(InputError, match=r"Cannot read .*quarantine\.jsonl"):
        read_quarantine(tmp_path)


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"chunk": 3}'])
def test_a_damaged_file_is_named_with_its_line(tmp_path, line):
    quarantine_chunk(tmp_path, CHUNK, [STUCK])
    with (tmp_path / "quarantine.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"quarantine\.jsonl, line 2: it is no chunk"):
        read_quarantine(tmp_path)
