import pytest

from common.errors import InputError
from pipeline.onboarding.profile.labels import choose_positive, unknown_values


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ({"0": 85, "1": 15}, "1"),
        ({"0": 15, "1": 85}, "0"),  # 1 may mean passed: the rare value is the fault
        ({"0": 45, "1": 55}, "1"),  # balanced: 1 is the usual name of the positive class
        ({"-1": 85, "1": 15}, "1"),
        ({"faulty": 60, "ok": 40}, "faulty"),
        ({"Normal": 10, "odd": 90}, "odd"),
        ({"a": 80, "b": 20}, "b"),
    ],
)
def test_the_positive_class_is_found(classes, expected):
    choice = choose_positive("y", classes, None)
    assert choice.positive == expected
    assert choice.num_positive == classes[expected]
    assert choice.num_positive + choice.num_negative == 100


def test_the_user_may_name_it_in_any_spelling():
    assert choose_positive("y", {"1": 90, "0": 10}, "True").positive == "1"
    assert choose_positive("y", {"Yes": 90, "No": 10}, "yes").positive == "Yes"
    choice = choose_positive("y", {"a": 50, "b": 30, "c": 20}, "b")
    assert (choice.num_positive, choice.num_negative) == (30, 70)


def test_all_values_but_the_negative_one_may_be_faults():
    choice = choose_positive("y", {"crack": 20, "Good": 50, "hole": 30}, None, "good")
    assert (choice.negative, choice.positive) == ("Good", "crack, hole")
    assert (choice.num_positive, choice.num_negative) == (50, 50)
    assert choice.values == ("crack", "Good", "hole")
    with pytest.raises(InputError, match=r"never has the value `gut`.* with --negative"):
        choose_positive("y", {"crack": 20, "good": 50, "hole": 30}, None, "gut")


@pytest.mark.parametrize(
    ("classes", "positive", "expected"),
    [
        ({}, None, "is empty in every row"),
        ({"0": 100}, None, "has only one value: `0` (100 rows)"),
        ({"a": 50, "b": 30, "c": 20}, None, "`a` (50 rows), `b` (30 rows), `c` (20 rows)"),
        ({"a": 50, "b": 30, "c": 20}, None, "--positive VALUE"),
        ({"a": 50, "b": 30}, "z", "never has the value `z`"),
        ({str(n / 7): 10 for n in range(40)}, None, "appears to be a measurement"),
        ({"0": 86, "1": 14}, None, "at least 15 and 3"),
        ({"0": 3, "1": 15}, "1", "There are 18 examples"),
    ],
)
def test_a_label_that_cannot_be_used_is_refused(classes, positive, expected):
    with pytest.raises(InputError) as error:
        choose_positive("y", classes, positive)
    assert expected in str(error.value)


def test_values_that_differ_only_in_case_are_refused():
    classes = {"pass": 700, "fail": 30, "FAIL": 6}
    with pytest.raises(InputError, match=r"or language: `fail` \(30 rows\), `FAIL` \(6 rows\)"):
        choose_positive("result", classes, "fail")


def test_one_truth_value_in_two_spellings_is_refused():
    classes = {"nein": 600, "ja": 30, "1": 12, "0": 100}
    with pytest.raises(InputError, match=r"or language: `ja` \(30 rows\), `1` \(12 rows\)"):
        choose_positive("failed", classes, "ja")
    # Letters may be codes of classes.
    assert choose_positive("state", {"f": 40, "n": 60, "t": 900}, "f").num_positive == 40


@pytest.mark.parametrize(
    ("label", "classes", "expected"),
    [
        ("passed", {"yes": 940, "no": 60}, "no"),
        ("quality_ok", {"1": 60, "0": 940}, "0"),
        ("is_healthy", {"ja": 940, "nein": 60}, "nein"),
        ("no_fault", {"yes": 940, "no": 60}, "no"),
        ("not_ok", {"yes": 60, "no": 940}, "yes"),
        ("failed", {"yes": 940, "no": 60}, "yes"),
        ("result", {"yes": 60, "no": 940}, "yes"),
        ("passed", {"NOK": 60, "OK": 940}, "NOK"),
        ("death", {"1": 760, "0": 240}, "1"),
        ("state_at_exit", {"1": 760, "0": 240}, "0"),
        ("full_repaid", {"1": 700, "0": 300}, "0"),
        ("Survived", {"1": 340, "0": 660}, "0"),
        ("survival_status", {"1": 450, "0": 550}, "1"),
        ("Status", {"dead": 850, "censored": 150}, "dead"),
        ("stabf", {"unstable": 640, "stable": 360}, "unstable"),
    ],
)
def test_the_name_of_the_label_says_what_its_truth_values_mean(label, classes, expected):
    assert choose_positive(label, classes, None).positive == expected


def test_a_frequent_yes_under_a_name_that_says_nothing_is_a_question():
    classes = {"yes": 940, "no": 60}
    with pytest.raises(InputError, match="Name it with --positive yes or --positive no"):
        choose_positive("result", classes, None)
    assert choose_positive("result", classes, "no").num_positive == 60


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        (["Yes", "No", "Unknown"], None, ("Unknown",)),
        (["yes", "no", "?", "not tested"], "yes", ("?", "not tested")),
        (["1", "0"], None, ()),
        (["known", "unknown"], None, ()),  # one class would be left
        (["a", "b", "Unknown"], "unknown", ()),  # the person looks for the unknown ones
    ],
)
def test_a_label_that_is_not_known_is_neither_fault_nor_healthy(values, positive, expected):
    assert unknown_values(values, positive) == expected
