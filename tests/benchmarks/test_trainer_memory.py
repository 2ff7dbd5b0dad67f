from pathlib import Path

from benchmarks.trainer_memory import latest_artifact


def test_the_tenth_execution_comes_after_the_ninth(tmp_path: Path):
    for number in ("9", "10"):
        (tmp_path / number).mkdir()
    assert latest_artifact(tmp_path).name == "10"
