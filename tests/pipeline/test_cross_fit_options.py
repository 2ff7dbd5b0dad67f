"""Options of cross-fitting, and what does not go with it."""

import pytest

from common.errors import InputError
from pipeline import config_loading

TABLE = """\
name: pumps
label: {column: failed}
data: {path: pumps.csv}
features:
  speed: {kind: numeric}
"""
FOLDED = TABLE + "evaluation: {cross_fit: 5}\n"


def _load(tmp_path, text):
    path = tmp_path / "pumps.yaml"
    path.write_text(text, encoding="utf-8")
    return config_loading.load_config(path)


def test_the_trainer_gets_the_number_of_folds(tmp_path):
    assert _load(tmp_path, FOLDED).model_spec.cross_fit == 5
    assert _load(tmp_path, TABLE).model_spec.cross_fit is None


@pytest.mark.parametrize("folds", [2, 11])
def test_three_to_ten_folds_are_possible(tmp_path, folds):
    with pytest.raises(InputError, match=r"evaluation\.cross_fit"):
        _load(tmp_path, TABLE + f"evaluation: {{cross_fit: {folds}}}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sampling: {keep: 0.1}\n", "`sampling` omits negatives of train"),
        ("train: {model: trees, trees: {stopping: eval}}\n", "train.trees.stopping is `eval`"),
        ("train: {model: auto, trees: {stopping: none}}\n", "train.trees.stopping is `none`"),
    ],
)
def test_what_cannot_be_cross_fitted_is_refused_with_the_reason(tmp_path, text, message):
    _load(tmp_path, TABLE + text)
    with pytest.raises(InputError, match=message):
        _load(tmp_path, FOLDED + text)
