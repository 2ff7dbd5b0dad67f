"""Options of the config that do not go with the kind of model."""

import pytest

from common.errors import InputError
from pipeline import config_loading

TABLE = """\
name: pumps
label: {column: failed}
data: {path: pumps.csv}
features:
  speed: {kind: numeric, monotone: up}
  wave: {kind: signal, num_samples: 8, sampling_rate_hz: 500}
"""
FREE = TABLE.replace(", monotone: up", "")


def _load(tmp_path, text):
    path = tmp_path / "pumps.yaml"
    path.write_text(text, encoding="utf-8")
    return config_loading.load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FREE + "train: {model: trees, loss: focal}\n", "train.loss `focal` is a loss of the netw"),
        (FREE + "train: {model: blend, loss: focal}\n", "train.model is `blend`. Remove `loss`"),
        (
            FREE + "train: {model: trees, augmentation: {wave: {noise: 1}}}\n",
            "train.augmentation varies signals, sounds and pictures in each epoch of the network",
        ),
        (TABLE, "features.speed.monotone is kept by trees only, and train.model is `network`"),
        (TABLE + "train: {model: blend}\n", "and train.model is `blend`. Set `model: trees`"),
        (FREE + "train: {model: tree}\n", "train.model"),
        (
            FREE + "train: {model: auto}\ntuning: {space: {dropout: {min: 0, max: 0.5}}}\n",
            "train.model is `auto`, which compares several in every training",
        ),
        (FREE + "train: {model: trees, trees: {max_depth: 9}}\n", "train.trees.max_depth"),
    ],
)
def test_an_option_that_does_not_apply_is_refused_with_its_key_and_reason(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        _load(tmp_path, text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TABLE + "train: {model: trees}\n", "trees"),
        (TABLE + "train: {model: auto}\n", "auto"),
        (FREE + "train: {model: auto, loss: focal}\n", "auto"),
        (FREE + "train: {model: blend, augmentation: {wave: {noise: 1}}}\n", "blend"),
    ],
)
def test_an_option_that_applies_to_a_part_of_the_model_is_accepted(tmp_path, text, kind):
    assert _load(tmp_path, text).train.model == kind
