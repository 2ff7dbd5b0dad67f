import json
import os
import time
from pathlib import Path

import pytest

from common import digests
from common.digests import KeptDigests, digest_files, digest_local_files


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """A file; all files count as written long ago."""
    path = tmp_path / "a.csv"
    path.write_text("y\n0\n")
    monkeypatch.setattr(digests, "_MIN_AGE_S", -100)
    return path


@pytest.fixture
def reads(monkeypatch):
    """The files whose content is read."""
    paths = []
    original = digests.local_digest

    def read(path):
        paths.append(Path(path).name)
        return original(path)

    monkeypatch.setattr(digests, "local_digest", read)
    return paths


def digest(tmp_path, *names):
    files = [str(tmp_path / name) for name in names]
    return digest_local_files(files, str(tmp_path), kept_digests=str(tmp_path / "digests.json"))


def test_an_unchanged_file_is_read_once(tmp_path, settled, reads):
    first = digest(tmp_path, "a.csv")
    assert digest(tmp_path, "a.csv") == first == digest_files([str(settled)], str(tmp_path))
    assert reads == ["a.csv"]


def test_a_change_that_keeps_size_and_modification_time_is_seen(tmp_path, settled, reads):
    before = digest(tmp_path, "a.csv")
    status = settled.stat()
    time.sleep(0.02)  # longer than the resolution of the kernel's clock
    settled.write_text("y\n1\n")
    os.utime(settled, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert settled.stat().st_mtime_ns == status.st_mtime_ns
    assert digest(tmp_path, "a.csv") != before
    assert reads == ["a.csv", "a.csv"]


def test_the_digest_of_a_file_that_was_just_written_is_not_kept(tmp_path, reads):
    (tmp_path / "a.csv").write_text("y\n0\n")
    assert digest(tmp_path, "a.csv") == digest(tmp_path, "a.csv")
    assert reads == ["a.csv", "a.csv"]


def test_digests_of_other_files_are_kept_until_they_are_gone(tmp_path, settled, reads):
    other = tmp_path / "b.csv"
    other.write_text("y\n2\n")
    digest(tmp_path, "a.csv")
    digest(tmp_path, "b.csv")
    digest(tmp_path, "a.csv", "b.csv")
    assert reads == ["a.csv", "b.csv"]
    settled.unlink()
    (tmp_path / "c.csv").write_text("y\n3\n")
    digest(tmp_path, "c.csv")
    kept = json.loads((tmp_path / "digests.json").read_text())
    assert sorted(Path(path).name for path in kept) == ["b.csv", "c.csv"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": ["x"]}'])
def test_a_damaged_file_of_digests_counts_as_empty(tmp_path, settled, content):
    (tmp_path / "digests.json").write_text(content)
    kept = KeptDigests(tmp_path / "digests.json")
    assert kept.digest(str(settled))[1] == 4


def test_the_md5_of_an_unchanged_file_is_kept_beside_its_digest(tmp_path, settled, reads):
    kept = KeptDigests(tmp_path / "new" / "digests.json")
    # The MD5 of "y\n0\n".
    assert kept.md5(str(settled)) == "311a332f3c18e61cbd8ab03120f5fbad"
    kept.save()
    again = KeptDigests(tmp_path / "new" / "digests.json")
    assert again.digest(str(settled)) == digests.content_digest(settled.open("rb"))
    assert reads == []
    settled.write_text("y\n1\n")
    assert again.md5(str(settled)) != "311a332f3c18e61cbd8ab03120f5fbad"
