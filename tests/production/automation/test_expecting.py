"""What is said of a rollout before it starts."""

from dataclasses import replace

import pytest

from measuring.sequential import Expectation, Margins
from pipeline.config_loading import load_config
from production.automation.automation import margins_of
from production.automation.rendering import expectation_words

HALF = Expectation(requests=1_500, nine_of_ten=2_500, labels=0, keys=5)
CONFIG = """
name: pump
label: {column: failed}
data: {path: data.csv}
features:
  pressure: {kind: numeric}
cost: {missed_fault: 100, false_alarm: 4, inspection: 1}
automation: {limits: {alpha: 0.1}}
"""


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (
            HALF,
            "about 1,500 requests that both models answer (nine times in ten at most 2,500), if",
        ),
        (HALF, "They must be of at least 5 keys"),
        (replace(HALF, labels=15), "at most 2,500), and labels of about 15 of them, if"),
        (replace(HALF, nine_of_ten=None), "nine times in ten over 100,000"),
        (replace(HALF, requests=None), "takes more than 100,000 requests"),
    ],
)
def test_the_words_say_how_many_requests_and_keys(expected, words):
    assert words in expectation_words(expected)


def test_without_a_least_number_of_keys_none_is_named():
    assert "keys" not in expectation_words(replace(HALF, keys=0))


def test_margins_have_the_limits_and_costs_of_the_config(tmp_path):
    path = tmp_path / "pump.yaml"
    path.write_text(CONFIG)
    margins = margins_of(load_config(path))
    # A miss costs 100 less the inspection that it saves, a false alarm its inspection as well.
    assert (margins.alpha, margins.miss, margins.false_alarm) == (0.1, 99, 5)
    assert margins_of(None) == Margins()
