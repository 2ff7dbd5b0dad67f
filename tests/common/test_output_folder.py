import fcntl
import os
import subprocess
import sys
import threading

import pytest

from common.errors import InputError
from common.output_folder import (
    captured_output,
    exclusive,
    is_locked,
    log_of_reader,
    open_log,
    open_output,
    replace_file,
)


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


def test_a_folder_at_work_is_known_by_its_lock(tmp_path):
    folder = open_output(tmp_path)
    assert not is_locked(folder)
    with exclusive(folder):
        (tmp_path / ".lock").chmod(0o444)
        assert is_locked(folder)
    assert not is_locked(folder)


def test_a_look_at_the_lock_refuses_no_run(tmp_path):
    folder = open_output(tmp_path)
    with (tmp_path / ".lock").open("w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        end_of_look = threading.Timer(0.1, fcntl.flock, (look, fcntl.LOCK_UN))
        end_of_look.start()
        with exclusive(folder):
            assert is_locked(folder)
        end_of_look.join()


def test_a_log_is_for_its_owner_and_one_that_is_there_keeps_its_rights(tmp_path):
    log = tmp_path / "run.log"
    open_log(log).close()
    assert log.stat().st_mode & 0o777 == 0o600
    log.chmod(0o640)
    open_log(log).close()
    assert log.stat().st_mode & 0o777 == 0o640


def test_the_log_of_a_reader_is_elsewhere_where_its_folder_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = log_of_reader(tmp_path / "file" / "explain.log")
    assert log.parent == tmp_path
    assert log.name.startswith("faultline-explain-")
    assert log_of_reader(tmp_path / "logs" / "explain.log") == tmp_path / "logs" / "explain.log"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "routes.json"
    replace_file(path, b"old")
    incoming = tmp_path / ".routes.json.incoming"
    incoming.write_bytes(b"a longer rest of a killed writer")
    incoming.chmod(0o644)
    replace_file(path, b"new", mode=0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"newer")
    assert path.read_bytes() == b"new"
