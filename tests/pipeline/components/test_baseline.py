from tfx.types.standard_artifacts import Model, ModelBlessing

from pipeline.components.baseline import BlessedBeforeStrategy


def _model(identity: int) -> Model:
    model = Model()
    model.id = identity
    return model


def _blessing(model_id: int, *, blessed: bool) -> ModelBlessing:
    blessing = ModelBlessing()
    blessing.set_int_custom_property("current_model_id", model_id)
    blessing.set_int_custom_property("blessed", int(blessed))
    return blessing


def _resolved(candidate: int, blessings: list[ModelBlessing]) -> list[int]:
    models = [_model(i) for i in (1, 2, 3, 4)]
    result = BlessedBeforeStrategy().resolve_artifacts(
        None, {"candidate": [_model(candidate)], "model": models, "model_blessing": blessings}
    )
    assert len(result["model"]) == len(result["model_blessing"])
    return [model.id for model in result["model"]]


def test_the_latest_blessed_model_before_the_candidate_is_the_baseline():
    assert _resolved(4, [_blessing(1, blessed=True), _blessing(2, blessed=True)]) == [2]


def test_a_refused_model_is_no_baseline():
    assert _resolved(4, [_blessing(1, blessed=True), _blessing(2, blessed=False)]) == [1]


def test_the_candidate_is_not_its_own_baseline_once_it_is_blessed():
    assert _resolved(2, [_blessing(1, blessed=True), _blessing(2, blessed=True)]) == [1]


def test_a_model_younger_than_the_candidate_is_no_baseline():
    assert _resolved(2, [_blessing(3, blessed=True)]) == []


def test_the_first_model_has_no_baseline():
    assert _resolved(1, []) == []
