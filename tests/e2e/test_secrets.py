"""Secrets of a config and of the command line are in nothing that a run writes or prints."""

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Done, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_OPTIONS = """\
beam:
  options:
    s3_secret_access_key: PLANTED-1-{n}
    s3_session_token: PLANTED-2-{n}
    s3_access_key_id: PLANTED-3-{n}
    azure_connection_string: "AccountName=a;AccountKey=PLANTED-4-{n};EndpointSuffix=b"
    hdfs_user: "http://ada:PLANTED-5-{n}@proxy:80/"
    service_account_email: "x@y?sig=PLANTED-6-{n}"
tracking:
  mlflow:
    store: mlruns
"""


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    return Faultline(PROJECT, tmp_path_factory.mktemp("secrets") / "work")


@pytest.fixture(scope="module")
def answers(faultline) -> list[Done]:
    """What each command printed: two runs with other secrets, and a run that fails."""
    done = []
    for number in (1, 2):
        config = CONFIG + _OPTIONS.format(n=number)
        write_wells(faultline.cwd, wells_csv(), config)
        done.append(faultline("run", "--config", "wells.yaml"))
    runs = sorted(path.name for path in (faultline.output / "runs").iterdir())
    done.append(faultline("runs", "compare", *runs))
    done.append(faultline("runs", "tensorboard"))
    done.append(faultline("lineage", "latest", "--json"))
    done.append(
        faultline(
            *("--config", "wells.yaml", "--dry_run", "--s3_secret_access_key=PLANTED-7"),
            program="beam_runner.py",
        )
    )
    (faultline.cwd / "wells.csv").write_text("pressure,temperature,maker,faulty\n1,2,a\n")
    done.append(faultline("run", "--config", "wells.yaml"))
    return done


def test_the_commands_did_what_they_were_asked(answers, faultline):
    assert [done.code for done in answers] == [0, 0, 0, 0, 0, 0, 2], faultline.last_log()


def test_nothing_that_was_printed_holds_a_secret(answers):
    assert [done for done in answers if "PLANTED" in done.out + done.err] == []


def test_nothing_that_was_written_holds_a_secret(answers, faultline):
    files = [path for path in faultline.output.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"metadata.db", "run.log", "summary.json"}
    assert [str(path) for path in files if b"PLANTED" in path.read_bytes()] == []


def test_the_metadata_file_and_logs_are_for_their_owner(answers, faultline):
    private = [faultline.output / "metadata.db", *faultline.output.rglob("*.log")]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


def test_another_secret_is_no_difference_between_two_runs(answers):
    assert "beam.options" not in answers[2].out
