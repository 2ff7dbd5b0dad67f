import pytest
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing

from pipeline.components import baseline
from pipeline.components.baseline import BlessedBeforeStrategy, LatestBlessedStrategy


@pytest.fixture(autouse=True)
def withdrawn(monkeypatch) -> set[int]:
    """The models that were taken out of service; the store is not asked."""
    ids: set[int] = set()
    monkeypatch.setattr(baseline, "withdrawn_model_ids", lambda _: ids)
    return ids


def _model(identity: int) -> Model:
    model = Model()
    model.id = identity
    return model


def _blessing(model_id: int, *, blessed: bool, kind: type[Artifact] = ModelBlessing) -> Artifact:
    blessing = kind()
    blessing.set_int_custom_property("current_model_id", model_id)
    blessing.set_int_custom_property("blessed", int(blessed))
    return blessing


def _resolved(
    candidate: int, blessings: list[Artifact], *, not_servable: tuple[int, ...] = ()
) -> list[int]:
    models = (1, 2, 3, 4)
    result = BlessedBeforeStrategy().resolve_artifacts(
        None,
        {
            "candidate": [_model(candidate)],
            "model": [_model(i) for i in models],
            "model_blessing": blessings,
            "infra_blessing": [
                _blessing(i, blessed=i not in not_servable, kind=InfraBlessing) for i in models
            ],
        },
    )
    assert len(result["model"]) == len(result["model_blessing"]) == len(result["infra_blessing"])
    return [model.id for model in result["model"]]


def test_the_latest_blessed_model_before_the_candidate_is_the_baseline():
    assert _resolved(4, [_blessing(1, blessed=True), _blessing(2, blessed=True)]) == [2]


def test_a_refused_model_is_no_baseline():
    assert _resolved(4, [_blessing(1, blessed=True), _blessing(2, blessed=False)]) == [1]


def test_a_model_that_its_server_could_not_answer_with_is_no_baseline():
    blessings = [_blessing(1, blessed=True), _blessing(2, blessed=True)]
    assert _resolved(4, blessings, not_servable=(2,)) == [1]


def test_the_candidate_is_not_its_own_baseline_once_it_is_blessed():
    assert _resolved(2, [_blessing(1, blessed=True), _blessing(2, blessed=True)]) == [1]


def test_a_model_younger_than_the_candidate_is_no_baseline():
    assert _resolved(2, [_blessing(3, blessed=True)]) == []


def test_a_model_that_was_taken_out_of_service_is_no_baseline(withdrawn):
    blessings = [_blessing(1, blessed=True), _blessing(2, blessed=True)]
    withdrawn.add(2)
    assert _resolved(4, blessings) == [1]
    assert _latest(blessings) == [1]


def test_the_first_model_has_no_baseline():
    assert _resolved(1, []) == []


def _latest(blessings: list[Artifact], *, not_servable: tuple[int, ...] = ()) -> list[int]:
    models = (1, 2, 3)
    infra = [_blessing(i, blessed=i not in not_servable, kind=InfraBlessing) for i in models]
    result = LatestBlessedStrategy().resolve_artifacts(
        None,
        {
            "model": [_model(i) for i in models],
            "model_blessing": blessings,
            "infra_blessing": infra,
        },
    )
    assert len(result["model"]) == len(result["model_blessing"]) == len(result["infra_blessing"])
    return [model.id for model in result["model"]]


def test_a_training_learns_of_the_latest_model_that_gate_and_server_blessed():
    blessings = [_blessing(i, blessed=i != 3) for i in (1, 2, 3)]
    assert _latest(blessings) == [2]
    assert _latest(blessings, not_servable=(2,)) == [1]
    assert _latest([]) == []
