import os

from pipeline.config import Data
from pipeline.reading.files.locations import resolve_source
from pipeline.wiring.spans import find_window


def fingerprints(tmp_path):
    path = "line [A]/span-{SPAN}.csv"
    source = resolve_source(path, folder=tmp_path, data=Data(path=path, window=5))
    window = find_window(source, "acceptance")
    assert window is not None
    return window.fingerprints


def test_a_label_that_is_corrected_in_place_is_another_fingerprint_of_its_span_alone(tmp_path):
    (tmp_path / "line [A]").mkdir()
    files = [tmp_path / "line [A]" / f"span-{name}" for name in ("1.csv", "2.CSV", "010.csv")]
    for file in files:
        file.write_text("a,y\n1,0\n")
    before = fingerprints(tmp_path)
    assert list(before) == [1, 2, 10]
    times = files[1].stat()
    files[1].write_text("a,y\n1,1\n")
    os.utime(files[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    after = fingerprints(tmp_path)
    assert [span for span in before if before[span] != after[span]] == [2]
