"""Options and tables that `faultline predict` refuses before it reads a row."""

import sqlite3
from dataclasses import replace

import pytest
from click.testing import CliRunner

from commands.command_line import main
from pipeline.prediction.options import PredictOptions
from pipeline.prediction.tables.into_table import find_target
from pipeline.prediction.tables.source import find_source
from tests.pipeline.prediction.readings import write_config


@pytest.fixture
def plant(tmp_path):
    path = tmp_path / "plant.db"
    sqlite3.connect(path).executescript(
        "CREATE TABLE readings (id INTEGER PRIMARY KEY, volts REAL);"
        "CREATE TABLE results (id TEXT, probability REAL);"
    ).connection.close()
    return path


def refused(tmp_path, *arguments):
    config = write_config(tmp_path)
    common = ["--config", str(config), "--output", str(tmp_path / "output")]
    done = CliRunner().invoke(main, ["predict", *common, *map(str, arguments)])
    assert done.exit_code == 2
    assert not (tmp_path / "output" / "predictions").exists()
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Name the rows with either --table or --query"),
        (["--table", "readings", "--query", "SELECT 1"], "either --table or --query"),
        (["--table", "readings"], "name a column with --id"),
        (["--table", "reading", "--id", "id"], "Did you mean `readings`"),
        (["--table", "readings", "--id", "key"], "--id names the column `key`, which is not in"),
        (["--query", "DELETE FROM readings", "--id", "id"], "--query must be one SELECT"),
        (
            ["--table", "readings", "--id", "id", "--into", "t", "--output-file", "f.csv"],
            "--into writes a table and --output-file a file",
        ),
        (
            ["--table", "readings", "--id", "id", "--into", "t", "--server", "http://h:1"],
            "does not report over REST",
        ),
        (
            ["--table", "readings", "--id", "id", "--into", "results"],
            "column `id` alone is no primary key or unique key",
        ),
        (
            ["--table", "readings", "--id", "id", "--partition-column", "id"],
            "only a server's snapshot can be shared",
        ),
        (
            ["--table", "readings", "--id", "id", "--into", "t", "--into-password-env", "WRITER"],
            "Name the variable of DATA with --password-env",
        ),
    ],
)
def test_a_database_is_refused_with_words(options, message, plant, tmp_path):
    assert message in refused(tmp_path, f"sqlite:///{plant}", *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--table", "readings"], "--table is for rows of a database"),
        (["--into", "t", "--id", "id"], "Name one with --into-url"),
        (["--into", "t"], "--into needs --id"),
        (["--into-url", "sqlite:///a.db"], "Name the table with --into"),
        (["--into-password-env", "WRITER"], "Name the table with --into"),
    ],
)
def test_options_of_databases_are_refused_for_files(options, message, tmp_path):
    assert message in refused(tmp_path, "data.csv", *options)


def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path):
    text = refused(tmp_path, "postgresql://me:hunter2@h/db", "--table", "t", "--id", "id")
    assert "must not hold a password" in text
    assert "hunter2" not in text


def test_reading_and_writing_may_need_two_passwords():
    options = PredictOptions(
        data="postgresql://reader@h/plant",
        config_path=None,
        table="readings",
        id_column="id",
        password_env="READER",  # noqa: S106 - the name of a variable
        into="results",
        into_url="mysql://writer@h/results",
        into_password_env="WRITER",  # noqa: S106 - the name of a variable
    )
    source = find_source(options)
    assert source is not None
    assert source.database.password_env == "READER"  # noqa: S105
    assert find_target(options).database.password_env == "WRITER"  # noqa: S105
    alone = find_target(replace(options, into_password_env=None))
    assert alone.database.password_env == "READER"  # noqa: S105
