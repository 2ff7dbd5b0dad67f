"""Answers to a request are found in the files of records."""

import pytest

from common.errors import InputError
from production.collection.records import read_file
from production.monitoring.replay import recorded
from tests.production.collection.recorded import batch_of, record, write_closed


def test_the_answers_to_a_request_are_found(tmp_path):
    write_closed(tmp_path, [batch_of([record("a"), record("b"), record("a", row=1)], {})])
    [answer] = recorded.find_request(tmp_path, "a")
    assert (answer.version, answer.column("row")) == (100, [0, 1])


def test_a_file_that_is_removed_while_it_is_read_has_no_answer(tmp_path, monkeypatch):
    path = write_closed(tmp_path, [batch_of([record("a")], {})])

    def read_and_remove(file, **values):
        batches = list(read_file(file, **values))
        path.unlink(missing_ok=True)
        return iter(batches)

    monkeypatch.setattr(recorded, "read_file", read_and_remove)
    with pytest.raises(InputError, match="No request a is recorded"):
        recorded.find_request(tmp_path, "a")
