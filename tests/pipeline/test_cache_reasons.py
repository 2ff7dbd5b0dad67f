import json

from pipeline.cache_reasons import changed_parameters


def test_equal_parameters_have_no_reason():
    assert changed_parameters({"a": 1}, {"a": 1}) == []


def test_a_changed_value_is_named():
    assert changed_parameters({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b changed"]


def test_inside_json_the_part_that_changed_is_named_in_words():
    old = json.dumps({"code_digest": "1", "model_spec": "{}"})
    new = json.dumps({"code_digest": "2", "model_spec": "{}"})
    assert changed_parameters({"custom_config": old}, {"custom_config": new}) == ["code changed"]


def test_text_that_only_looks_like_json_is_compared_as_text():
    assert changed_parameters({"a": "{x"}, {"a": "{y"}) == ["a changed"]


def test_a_new_and_a_lost_parameter_are_both_changes():
    assert changed_parameters({"old": 1}, {"new": 1}) == ["new changed", "old changed"]
