"""Where passwords come from."""

from pathlib import Path

import pytest

from common.errors import InputError
from common.guards.redaction import redact_text
from pipeline.reading.sql.database import PASSWORD_ENV, Database, parse_url
from pipeline.reading.sql.passwords import find_password

POSTGRESQL = parse_url("postgresql://ada@db/runs")
MARIADB = parse_url("mysql://ada@db/runs")


def write_private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def find(database: Database, home: Path, **environ: str) -> str | None:
    return find_password(database, {"HOME": str(home)} | environ)


def test_the_variable_that_the_config_names_comes_first(tmp_path):
    write_private(tmp_path / ".pgpass", "*:*:*:*:from-file")
    assert find(POSTGRESQL, tmp_path, PGPASSWORD="second", **{PASSWORD_ENV: "first"}) == "first"
    assert find(POSTGRESQL, tmp_path, PGPASSWORD="second") == "second"
    assert find(POSTGRESQL, tmp_path) == "from-file"


def test_pgpass_gives_the_first_line_that_fits(tmp_path):
    file = write_private(
        tmp_path / "passwords",
        "# comment\ndb:5433:runs:ada:port\ndb:5432:runs:bob:user\n"
        "db:5432:*:ada:a\\:b\\\\c\n*:*:*:*:last\n",
    )
    assert find(POSTGRESQL, tmp_path, PGPASSFILE=str(file)) == "a:b\\c"


def test_the_option_file_of_mariadb_gives_the_clients_password(tmp_path):
    write_private(
        tmp_path / ".my.cnf",
        "!includedir /etc\n[mysqld]\npassword=no\n[client]\npassword='yes # so'\n",
    )
    assert find(MARIADB, tmp_path) == "yes # so"
    assert find(POSTGRESQL, tmp_path) is None


def test_without_any_source_there_is_no_password(tmp_path):
    assert find(MARIADB, tmp_path) is None


@pytest.mark.parametrize(("database", "name"), [(POSTGRESQL, ".pgpass"), (MARIADB, ".my.cnf")])
def test_a_password_file_that_others_may_read_is_refused(database, name, tmp_path):
    write_private(tmp_path / name, "").chmod(0o640)
    with pytest.raises(InputError, match=f"chmod 600 .*{name}"):
        find(database, tmp_path)


def test_a_damaged_option_file_is_not_shown(tmp_path):
    write_private(tmp_path / ".my.cnf", "password=hidden-one\n")
    with pytest.raises(InputError, match="not a readable option file") as caught:
        find(MARIADB, tmp_path)
    assert "hidden-one" not in str(caught.value)


def test_a_found_password_is_hidden_from_then_on(tmp_path):
    find(POSTGRESQL, tmp_path, **{PASSWORD_ENV: "unseen-before"})
    assert "unseen-before" not in redact_text("refused unseen-before by the server")
