"""The folder of a prediction into a table, from which the same command continues."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.prediction.tables.job import Order, open_job

ORDER = Order(source="readings", target="results", id_column="id", model="m", server="")


@pytest.fixture
def output(tmp_path):
    return OutputFolder(tmp_path)


def test_an_unfinished_job_of_the_same_order_is_continued(output):
    with open_job(output, ORDER) as job:
        job.note_written(5_000)
        assert not job.is_continued
    with open_job(output, replace(ORDER, source="other")) as other:
        assert other.run_id != job.run_id
    with open_job(output, ORDER) as again:
        assert (again.run_id, again.begun, again.is_continued) == (job.run_id, job.begun, True)
        assert again.num_written == 5_000


def test_a_finished_or_discarded_job_is_not_continued(output):
    with open_job(output, ORDER) as job:
        job.rows.mkdir()
        job.finish({"num_rows": 3})
    assert not job.rows.exists()
    assert (job.folder / "summary.json").exists()
    with open_job(output, ORDER) as second:
        assert second.run_id != job.run_id
        second.discard()
    with open_job(output, ORDER) as third:
        assert third.run_id != second.run_id


def test_two_jobs_with_one_target_at_a_time_are_refused(output):
    with (
        open_job(output, ORDER),
        pytest.raises(InputError, match="Another `faultline predict` is writing into results"),
        open_job(output, replace(ORDER, source="other")),
    ):
        pass


def test_a_folder_appears_as_a_whole_or_not_at_all(output):
    with open_job(output, ORDER) as job:
        with suppress(RuntimeError), job.incoming(job.rows) as folder:
            (folder / "part").touch()
            raise RuntimeError
        assert not job.rows.exists()
        with job.incoming(job.rows) as folder:
            (folder / "part").touch()
        assert [path.name for path in job.rows.iterdir()] == ["part"]
        assert sorted(path.name for path in job.folder.iterdir()) == ["job.json", "rows"]


def test_a_job_whose_folder_was_only_begun_is_not_continued(output):
    # A full disk or a kill leaves an empty file.
    begun = output.root / "predictions" / ".20261128-050000-predict-m-abcdef.incoming"
    begun.mkdir(parents=True)
    (begun / "job.json").touch()
    with open_job(output, ORDER) as job:
        assert not job.is_continued


def test_a_full_disk_leaves_no_begun_folder(output, monkeypatch):
    def fail(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space"), open_job(output, ORDER):
        pass
    assert [path.suffix for path in (output.root / "predictions").iterdir()] == [".lock"]
