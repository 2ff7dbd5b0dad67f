import pytest

from commands.queries import print_lineage, print_runs
from common.errors import InputError


@pytest.mark.parametrize("question", [print_runs, lambda *a, **k: print_lineage("latest", *a, **k)])
def test_without_any_run_the_answer_says_how_to_begin(tmp_path, question):
    with pytest.raises(InputError, match=r"No runs yet: .*metadata\.db does not exist"):
        question(None, tmp_path / "output", as_json=False)
    assert not (tmp_path / "output").exists()
