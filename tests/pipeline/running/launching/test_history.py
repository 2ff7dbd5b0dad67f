import re

import pytest
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from pipeline.running.launching.history import check_history


@pytest.fixture
def store(tmp_path):
    """A store that knows one step, number 1."""
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    type_id = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Trainer"))
    store.put_executions([metadata_store_pb2.Execution(type_id=type_id)])
    return store


def test_results_of_known_steps_and_other_folders_are_accepted(tmp_path, store):
    (tmp_path / "wells" / "Trainer" / "model" / "1").mkdir(parents=True)
    (tmp_path / "wells" / "Trainer" / ".system" / "executor_execution" / "9").mkdir(parents=True)
    (tmp_path / "wells" / "Trainer" / "model" / "notes").mkdir()
    check_history(store, tmp_path / "wells")
    check_history(store, tmp_path / "no-such-folder")


def test_results_of_later_steps_are_refused_with_both_numbers_and_a_remedy(tmp_path, store):
    root = tmp_path / "wells"
    (root / "Trainer" / "model" / "36-2").mkdir(parents=True)
    words = rf"steps up to number 1, but {re.escape(str(root))} holds results up to number 36"
    with pytest.raises(InputError, match=rf"{words}.*Restore the newest copy; or move"):
        check_history(store, root)


def test_an_empty_store_beside_results_is_refused(tmp_path):
    (tmp_path / "wells" / "Trainer" / "model" / "1").mkdir(parents=True)
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    with pytest.raises(InputError, match="knows no run"):
        check_history(store, tmp_path / "wells")
