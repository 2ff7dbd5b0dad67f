import os
import subprocess
import sys

import pytest

from common.errors import InputError
from common.output_folder import captured_output, exclusive, open_output


def test_a_new_folder_is_made_and_left_empty(tmp_path):
    folder = open_output(tmp_path / "deep" / "output")
    assert folder.root.is_dir()
    assert list(folder.root.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "output").write_text("")
    with pytest.raises(InputError, match="Cannot write to the output folder"):
        open_output(tmp_path / "output")


@pytest.mark.parametrize("name", ["line [A]", "a*", "a?"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused_before_anything_is_made(
    tmp_path, name
):
    with pytest.raises(InputError, match=r"in its path.*--output"):
        open_output(tmp_path / name / "output")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_never_write_to_one_folder(tmp_path):
    folder = open_output(tmp_path)
    with (
        exclusive(folder),
        pytest.raises(InputError, match="Another run is writing"),
        exclusive(folder),
    ):
        pass


def test_the_lock_is_free_again_after_the_run(tmp_path):
    folder = open_output(tmp_path)
    with exclusive(folder):
        pass
    with exclusive(folder):
        pass


def test_what_libraries_print_goes_to_the_log_and_our_words_do_not(tmp_path):
    script = (
        "import os, sys, pathlib\n"
        "from common.output_folder import captured_output\n"
        "with captured_output(pathlib.Path(sys.argv[1])) as (out, err):\n"
        "    print('from python', flush=True)\n"
        "    os.write(2, b'from C')\n"
        "    os.write(out, b'ours')\n"
    )
    log = tmp_path / "run" / "run.log"
    done = subprocess.run(
        [sys.executable, "-c", script, str(log)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("ours", "")
    assert log.read_text() == "from python\nfrom C"


def test_standard_streams_are_back_afterwards(tmp_path):
    before = os.fstat(1).st_ino
    with captured_output(tmp_path / "run.log"):
        assert os.fstat(1).st_ino != before
    assert os.fstat(1).st_ino == before
