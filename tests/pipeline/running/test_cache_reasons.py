import json

from ml_metadata.proto.metadata_store_pb2 import Event, Execution

from pipeline.running.cache_reasons import changed_parameters, input_changes


def test_equal_parameters_have_no_reason():
    assert changed_parameters({"a": 1}, {"a": 1}) == []


def test_a_changed_value_is_named():
    assert changed_parameters({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b changed"]


def test_inside_json_the_part_that_changed_is_named_in_words():
    old = json.dumps({"code_digest": "1", "model_spec": "{}"})
    new = json.dumps({"code_digest": "2", "model_spec": "{}"})
    assert changed_parameters({"custom_config": old}, {"custom_config": new}) == ["code changed"]


def test_the_files_whose_code_changed_are_named():
    old = json.dumps({"a.py": "1", "b.py": "1", "gone.py": "1", "same.py": "1"})
    new = json.dumps({"a.py": "2", "b.py": "1", "new.py": "1", "same.py": "1"})
    changes = changed_parameters({"code_digest": old}, {"code_digest": new})
    assert changes == ["code changed: a.py, gone.py, new.py"]


def test_of_many_changed_files_three_are_named():
    old, new = ({f"{name}.py": version for name in "abcde"} for version in "12")
    changes = changed_parameters({"code_digest": old}, {"code_digest": new})
    assert changes == ["code changed: a.py, b.py, c.py and 2 more"]


def test_text_that_only_looks_like_json_is_compared_as_text():
    assert changed_parameters({"a": "{x"}, {"a": "{y"}) == ["a changed"]


def test_a_new_and_a_lost_parameter_are_both_changes():
    assert changed_parameters({"old": 1}, {"new": 1}) == ["new changed", "old changed"]


def test_that_a_version_was_withdrawn_is_a_reason_without_its_digest():
    notes = {"wells": {"d" * 64: {"withdrawn_version": "wells/7"}}}
    old = {"custom_config": '{"code_digest": "{}", "withdrawn": {}}'}
    new = {"custom_config": json.dumps({"code_digest": "{}", "withdrawn": notes})}
    assert changed_parameters(old, new) == ["withdrawn versions changed"]


def test_an_artifact_under_two_keys_is_an_input_under_both():
    before, after = Execution(id=1), Execution(id=2)
    event = Event(type=Event.INPUT, artifact_id=7, execution_id=2)
    for key in ("schema", "inferred_schema"):
        event.path.steps.add().key = key
        event.path.steps.add().index = 0
    only = Event(type=Event.INPUT, artifact_id=7, execution_id=1)
    only.path.steps.add().key = "inferred_schema"
    only.path.steps.add().index = 0
    store = Events({1: [only], 2: [event]})
    assert input_changes(store, before, after) == ["changed input: schema"]


def test_changed_and_removed_inputs_are_named_apart():
    # "new anomalies" beside "no anomalies" of AnomalyGate would read as a contradiction.
    keys = {1: {"anomalies": 1, "examples": 2, "schema": 3}, 2: {"anomalies": 4, "examples": 5}}
    events = {
        execution: [_input(execution, key, artifact) for key, artifact in inputs.items()]
        for execution, inputs in keys.items()
    }
    changes = input_changes(Events(events), Execution(id=1), Execution(id=2))
    assert changes == ["changed inputs: anomalies, examples", "removed input: schema"]


def _input(execution, key, artifact):
    event = Event(type=Event.INPUT, artifact_id=artifact, execution_id=execution)
    event.path.steps.add().key = key
    return event


class Events:
    """The one question to the metadata store that is asked here."""

    def __init__(self, events) -> None:
        self._events = events

    def get_events_by_execution_ids(self, ids):
        return [event for execution in ids for event in self._events[execution]]
