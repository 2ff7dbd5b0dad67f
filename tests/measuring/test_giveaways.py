"""Properties of files that tell the label."""

import numpy as np
import pytest

from measuring.giveaways import find_giveaways

NUM, NUM_POSITIVE = 100, 20
POSITIVE = np.arange(NUM) < NUM_POSITIVE


def judge(values, positive=POSITIVE):
    return find_giveaways({"rate": values}, positive).get("rate", "")


def texts(*, positives, others):
    """Value `a` in so many positives and others, `b` in the rest."""
    return [
        "a" if place < positives or NUM_POSITIVE <= place < NUM_POSITIVE + others else "b"
        for place in range(NUM)
    ]


@pytest.mark.parametrize(
    ("positives", "others", "words"),
    [
        (20, 0, "a in 20 of 20 positives and in 0 of 80 others"),
        (18, 0, "a in 18 of 20 positives and in 0 of 80 others"),
        # Balanced accuracy: (1 + 64 / 80) / 2 = 0.9, and (1 + 63 / 80) / 2 = 0.89.
        (20, 16, "a in 20 of 20 positives and in 16 of 80 others"),
        (20, 17, ""),
        # By chance, 9 positives of one value have probability 0.2 ** 9 = 5e-7, and 8 have 3e-6.
        (9, 0, "a in 9 of 20 positives and in 0 of 80 others"),
        (8, 0, ""),
        # The value of the others alone: the positives have the other one.
        (0, 80, "b in 20 of 20 positives and in 0 of 80 others"),
        (10, 40, ""),
    ],
)
def test_a_value_of_one_class_tells_the_label(positives, others, words):
    assert judge(texts(positives=positives, others=others)) == words


def test_one_value_tells_nothing():
    assert judge(["a"] * NUM) == ""


def test_an_absent_value_is_a_value():
    assert judge([None if one else "16 bit" for one in POSITIVE]).startswith("unknown in 20 of 20")


def test_few_files_of_a_class_prove_nothing():
    assert judge(texts(positives=9, others=0), np.arange(NUM) < 9) == ""


@pytest.mark.parametrize(
    ("offset", "words"),
    [(2.0, "high values mark the positives with ROC-AUC 1.0000"),
     (-2.0, "low values mark the positives with ROC-AUC 1.0000"), (0.0, "")],
)  # fmt: skip
def test_a_measurement_tells_the_label_by_its_order(offset, words):
    values = np.random.default_rng(0).random(NUM)
    assert judge((values + offset * POSITIVE).tolist()) == words


def test_many_texts_have_no_order():
    assert judge([f"{place} x 20 pixels" for place in range(NUM)]) == ""
