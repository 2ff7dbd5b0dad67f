import pytest

from models.search_space import (
    Dimension,
    Tuning,
    as_choice,
    check_space,
    check_tuning,
    trial_options,
    tuned_options,
)
from models.train_options import TrainOptions

OPTIONS = TrainOptions(epochs=9, hidden_units=(64, 32), dropout=0.2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"min": 1}, "needs `min` and `max`, or `choices`"),
        ({"min": 2, "max": 2}, "needs min < max, got 2 and 2"),
        ({"min": 0, "max": 1, "scale": "log"}, "scale `log` needs min > 0, got 0"),
        ({"min": 0, "max": 1, "choices": (1, 2)}, "has `choices`; remove `min`"),
        ({"choices": (1,)}, "two or more, got 1"),
        ({"choices": (1, "a")}, r'of one type, got \[1, "a"\]'),
    ],
)
def test_a_dimension_that_says_too_little_or_too_much_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Dimension(**values)


@pytest.mark.parametrize(
    ("name", "dimension", "words"),
    [
        ("epochs", Dimension(min=1, max=9), "tuning.space.epochs is not an option that is search"),
        ("lerning_rate", Dimension(min=1, max=9), "is not an option that is searched: .*`learning"),
        ("filters", Dimension(min=1, max=9), "filters is not a number: give `choices`"),
        ("dropout", Dimension(min=0, max=1), "tuning.space.dropout: 1.0: Input should be less"),
        ("batch_size", Dimension(min=1.5, max=4), "tuning.space.batch_size: 1.5: "),
        ("hidden_units", Dimension(choices=([8], [0])), r"hidden_units: \[0\]: .* greater than 0"),
        ("class_weight", Dimension(choices=("balanced", "odd")), 'class_weight: "odd": '),
    ],
)
def test_a_space_with_values_that_training_does_not_take_names_key_and_value(
    name, dimension, words
):
    with pytest.raises(ValueError, match=words):
        check_space({name: dimension}, OPTIONS)


def test_a_space_of_ranges_and_lists_is_accepted():
    space = {
        "learning_rate": Dimension(min=1e-4, max=1e-2, scale="log"),
        "batch_size": Dimension(min=16, max=64),
        "hidden_units": Dimension(choices=([8], [16, 8])),
    }
    check_space(space, OPTIONS)
    tuning = Tuning(space=space)
    assert Tuning.from_json(tuning.to_json()) == tuning


def test_what_was_found_replaces_the_options_and_lists_come_back_as_lists():
    values = {"hidden_units": as_choice([16, 8]), "dropout": 0.4, "tuner/epochs": 3}
    assert values["hidden_units"] == "[16, 8]"
    tuned = tuned_options(OPTIONS, values)
    assert (tuned.hidden_units, tuned.dropout, tuned.epochs) == ((16, 8), 0.4, 9)
    assert tuned.learning_rate == OPTIONS.learning_rate
    assert trial_options(OPTIONS, values).epochs == 3


def test_a_value_that_training_does_not_take_is_refused():
    with pytest.raises(ValueError, match="dropout"):
        tuned_options(OPTIONS, {"dropout": 1.5})


TREES = TrainOptions(model="trees")
DEPTHS = {"trees.max_depth": Dimension(min=2, max=6)}


@pytest.mark.parametrize(
    ("name", "dimension", "options", "words"),
    [
        ("trees.depth", Dimension(min=1, max=9), TREES, "searched: .*`trees.max_depth`"),
        ("trees.max_depth", Dimension(min=1, max=9), TREES, "trees.max_depth: 9: Input should be"),
        ("trees.stopping", Dimension(min=1, max=9), TREES, "stopping is not a number"),
        ("trees.l2", Dimension(min=1, max=9), OPTIONS, "option of the trees, .* `network`. Remove"),
        ("dropout", Dimension(min=0, max=0.5), TREES, "option of the network, .* is `trees`"),
        ("model", Dimension(choices=("network", "trees")), TREES, "not an option that is searched"),
        ("trees", Dimension(min=1, max=9), TREES, "not an option that is searched"),
    ],
)
def test_an_option_of_another_part_or_no_option_at_all_is_refused(name, dimension, options, words):
    with pytest.raises(ValueError, match=words):
        check_space({name: dimension}, options)


def test_trees_are_searched_by_dotted_names_and_a_blend_by_both():
    space = DEPTHS | {
        "trees.learning_rate": Dimension(min=0.01, max=0.3, scale="log"),
        "class_weight": Dimension(choices=("balanced", "none")),
    }
    check_tuning(Tuning(space=space), TREES)
    blend = TrainOptions(model="blend")
    check_tuning(Tuning(space=space | {"dropout": Dimension(min=0, max=0.5)}), blend)


def test_the_values_of_a_trial_reach_the_trees_and_leave_the_rest():
    values = {"trees.max_depth": 3, "trees.learning_rate": 0.2, "class_weight": "balanced"}
    tuned = trial_options(TREES, values)
    assert (tuned.trees.max_depth, tuned.trees.learning_rate) == (3, 0.2)
    assert tuned.trees.subsample == TREES.trees.subsample
    assert (tuned.class_weight, tuned.model) == ("balanced", "trees")


@pytest.mark.parametrize(
    ("tuning", "options", "words"),
    [
        (Tuning(space=DEPTHS), TrainOptions(model="auto"), "`auto`, which compares several"),
        (Tuning(space=DEPTHS, strategy="hyperband"), TREES, "by epochs, which trees do not have"),
    ],
)
def test_a_search_that_does_not_suit_the_model_is_refused(tuning, options, words):
    with pytest.raises(ValueError, match=words):
        check_tuning(tuning, options)
