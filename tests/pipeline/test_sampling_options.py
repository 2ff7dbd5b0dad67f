import pytest

from models.features import Categorical, Numeric
from pipeline.sampling_options import Sampling, check_sampling, rates_of


def test_so_many_negatives_for_each_positive_are_a_rate():
    # 10 for each of 84 positives, of 2,348 negatives: 840 / 2,348.
    rates = rates_of(Sampling(negatives_per_positive=10), num_positives=84, num_negatives=2_348)
    assert rates == pytest.approx({None: 840 / 2_348})


def test_more_negatives_than_there_are_keep_all():
    rates = rates_of(Sampling(negatives_per_positive=10), num_positives=50, num_negatives=100)
    assert rates == {None: 1.0}


def test_strata_come_beside_the_common_rate():
    sampling = Sampling(keep=0.1, by="maker", rates={"a": 0.5})
    assert rates_of(sampling, num_positives=1, num_negatives=9) == {None: 0.1, "a": 0.5}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of `negatives_per_positive` and `keep`"),
        ({"keep": 0.1, "negatives_per_positive": 3}, "exactly one of"),
        ({"keep": 0.1, "by": "maker"}, "give both or neither"),
        ({"keep": 0.1, "rates": {"a": 0.5}}, "give both or neither"),
        (
            {"negatives_per_positive": 3, "by": "maker", "rates": {"a": 0.5}},
            "`by` needs `keep`",
        ),
        ({"keep": 0}, "greater than 0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**options)


@pytest.mark.parametrize("features", [{"speed": Numeric()}, {"maker": Numeric()}])
def test_the_strata_must_be_a_category_that_the_model_sees(features):
    with pytest.raises(ValueError, match="`maker`, which is not a categorical feature"):
        check_sampling(Sampling(keep=0.1, by="maker", rates={"a": 1}), features)


def test_a_categorical_feature_may_be_the_strata():
    check_sampling(Sampling(keep=0.1, by="maker", rates={"a": 1}), {"maker": Categorical()})
