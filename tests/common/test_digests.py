import json
import os
from pathlib import Path

from common.digests import FilesDigest, digest_files


def _digest(folder: Path) -> FilesDigest:
    return digest_files(map(str, folder.rglob("*.csv")), str(folder))


def test_the_digest_of_files_follows_content_and_names_not_times_or_folders(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place / "span-1").mkdir(parents=True)
        (tmp_path / place / "span-1" / "1.csv").write_text("a")
        (tmp_path / place / "2.csv").write_text("bb")
    here, there = tmp_path / "here", tmp_path / "there"
    os.utime(here / "2.csv", (1, 1))
    assert _digest(here) == _digest(there)
    assert _digest(here).properties() == {
        "data_digest": _digest(here).digest,
        "num_files": 2,
        "num_bytes": 3,
        "source_files": '["2.csv", "span-1/1.csv"]',
    }
    (there / "2.csv").write_text("cc")
    assert _digest(there).digest != _digest(here).digest
    (here / "2.csv").rename(here / "3.csv")
    (there / "2.csv").write_text("bb")
    assert _digest(there).digest != _digest(here).digest


def test_of_many_files_only_the_first_hundred_names_are_noted(tmp_path):
    for number in range(101):
        (tmp_path / f"{number:03}.csv").write_text("")
    noted = _digest(tmp_path).properties()
    assert noted["num_files"] == 101
    assert json.loads(noted["source_files"])[-1] == "099.csv"
