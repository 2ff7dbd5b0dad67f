import pytest

from commands.queries import _is_locked, print_lineage, print_runs
from common.errors import InputError
from common.output_folder import exclusive, open_output


@pytest.mark.parametrize("question", [print_runs, lambda *a, **k: print_lineage("latest", *a, **k)])
def test_without_any_run_the_answer_says_how_to_begin(tmp_path, question):
    with pytest.raises(InputError, match=r"No runs yet: .*metadata\.db does not exist"):
        question(None, tmp_path / "output", as_json=False)
    assert not (tmp_path / "output").exists()


def test_a_folder_at_work_is_known_by_its_lock(tmp_path):
    folder = open_output(tmp_path)
    assert not _is_locked(tmp_path)
    with exclusive(folder):
        assert _is_locked(tmp_path)
    assert not _is_locked(tmp_path)
