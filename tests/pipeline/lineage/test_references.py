import pytest

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from pipeline.lineage.graph import read_graph
from pipeline.lineage.references import default_reference, resolve
from tests.pipeline.records import record_run


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def test_the_only_use_case_and_its_shadow_need_no_reference(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    record_run(store, "run-2", serving=tmp_path / "wells_shadow", version="2")
    assert default_reference(read_graph(store), None) == "latest"


def test_without_a_reference_one_of_several_use_cases_is_asked_for(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    record_run(store, "run-2", serving=tmp_path / "pumps", version="2")
    with pytest.raises(InputError, match="Several use cases have models: pumps, wells"):
        default_reference(read_graph(store), None)


def test_a_use_case_without_a_reference_means_its_own_latest_version(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    record_run(store, "run-2", serving=tmp_path / "pumps", version="2")
    graph = read_graph(store)
    pushed = resolve(graph, default_reference(graph, "wells"))
    assert pushed.properties["pushed_version"] == "1"
