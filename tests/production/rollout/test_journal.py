"""The journal: what it holds, what it survives and what it refuses."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from filelock import FileLock

from common.errors import InputError
from common.guards import chained_lines
from production.gateway.traffic import Pin
from production.rollout.journal import Journal, Note
from production.rollout.state import State

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
ADA = Note(event="repin", by="Ada", why="the sensor was at fault", evidence={"num_pairs": 12})


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "wells", now=lambda: NOW)


def _serve(version):
    stable = Pin(base="wells", version=version)
    return lambda *_: State(model="wells", stable=stable)


def test_an_entry_says_who_changed_what_when_and_why(journal):
    journal.append(_serve(1), replace(ADA, event="begin"))
    journal.append(_serve(2), ADA)
    values = json.loads(journal.path.read_text().splitlines()[1])
    assert (values["sequence"], values["time"]) == (2, "2026-11-27T09:00:00.000000Z")
    assert (values["by"], values["why"]) == ("Ada", "the sensor was at fault")
    assert (values["from"], values["to"]) == ("wells/1", "wells/2")
    assert values["evidence"] == {"num_pairs": 12}


def test_what_was_written_is_read_back(journal):
    written = [journal.append(_serve(version), ADA) for version in (1, 2, 3)]
    assert list(journal.read()) == written
    assert journal.state().stable.version == 3


def test_an_empty_journal_has_no_state(journal):
    assert (journal.read(), journal.state()) == ((), None)


def test_a_torn_last_line_is_ignored_and_removed_by_the_next_entry(journal):
    journal.append(_serve(1), ADA)
    whole = journal.path.read_bytes()
    journal.append(_serve(2), ADA)
    torn = journal.path.read_bytes()[:-20]
    journal.path.write_bytes(torn)
    assert journal.state().stable.version == 1
    journal.append(_serve(3), ADA)
    assert [entry.state.stable.version for entry in journal.read()] == [1, 3]
    assert journal.path.read_bytes().startswith(whole)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [lines[0].replace(b"Ada", b"Bob"), *lines[1:]], "line 2: it does not foll"),
        (lambda lines: [lines[0], lines[2]], "line 2: it does not follow"),
        (lambda lines: lines[1:], "line 1: it does not follow"),
        (lambda lines: [lines[0], b"{}\n", lines[2]], "line 2: it cannot be read"),
        (lambda lines: [b"\xff\n", *lines[1:]], "line 1: it cannot be read"),
    ],
)
def test_a_changed_line_is_an_error_and_nothing_is_appended(journal, change, problem):
    for version in (1, 2, 3):
        journal.append(_serve(version), ADA)
    damaged = b"".join(change(journal.path.read_bytes().splitlines(keepends=True)))
    journal.path.write_bytes(damaged)
    for attempt in (journal.read, lambda: journal.append(_serve(4), ADA)):
        with pytest.raises(InputError, match=problem):
            attempt()
    assert journal.path.read_bytes() == damaged


def test_a_refused_change_leaves_the_journal_as_it_was(journal):
    journal.append(_serve(1), ADA)
    before = journal.path.read_bytes()

    def refused(entries, now):
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        journal.append(refused, ADA)
    assert journal.path.read_bytes() == before


def test_a_full_disk_leaves_the_journal_as_it_was(journal, monkeypatch):
    journal.append(_serve(1), ADA)
    before = journal.path.read_bytes()
    write = chained_lines.os.write
    monkeypatch.setattr(chained_lines.os, "write", lambda fd, data: write(fd, data[:30]))
    with pytest.raises(InputError, match=r"only 30 of .* bytes fit\. Nothing was changed"):
        journal.append(_serve(2), ADA)
    assert journal.path.read_bytes() == before


def test_two_writers_at_once_both_get_a_line(journal):
    def write(first):
        for number in range(20):
            journal.append(_serve(first + number), ADA)

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = journal.read()
    assert [entry.sequence for entry in entries] == list(range(1, 41))
    versions = {entry.state.stable.version for entry in entries}
    assert versions == {*range(100, 120), *range(200, 220)}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "rollouts").write_text("a plain file")
    journal = Journal(tmp_path / "rollouts" / "wells", now=lambda: NOW)
    for attempt in (journal.read, lambda: journal.append(_serve(1), ADA)):
        with pytest.raises(InputError, match=r"rollouts/wells/journal.jsonl cannot be opened: Not"):
            attempt()


def test_a_journal_that_is_a_folder_is_named(journal):
    journal.path.mkdir(parents=True)
    for attempt in (journal.read, lambda: journal.append(_serve(1), ADA)):
        with pytest.raises(InputError, match=r"journal.jsonl cannot be opened: Is a directory"):
            attempt()


def test_a_lock_that_stays_held_is_named(journal, monkeypatch):
    journal.append(_serve(1), ADA)
    monkeypatch.setattr(chained_lines, "_LOCK_TIMEOUT_S", 0.05)
    with (
        FileLock(journal.folder / "lock"),
        pytest.raises(InputError, match=r"Another command has held .*wells/lock"),
    ):
        journal.append(_serve(2), ADA)


def test_bytes_of_a_command_line_that_are_no_text_are_replaced(journal):
    journal.append(_serve(1), replace(ADA, why="caf\udce9"))
    assert journal.read()[0].note.why == "caf?"


def test_times_keep_their_microseconds(tmp_path):
    moment = NOW + timedelta(microseconds=7)
    journal = Journal(tmp_path, now=lambda: moment)
    journal.append(_serve(1), ADA)
    assert journal.read()[0].time == moment
