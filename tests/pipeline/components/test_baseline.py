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
    result = BlessedBeforeStrategy("data").resolve_artifacts(
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


def _anchored(tmp_path, scores, *, declared=None, definitions=None, missing=()) -> list[int]:
    """Ids of the anchor and of the models since; models 1, 2, … have these scores."""
    models, blessings = [], []
    for number, score in enumerate(scores, start=1):
        model, blessing = _model(number), _blessing(number, blessed=True)
        model.uri = str(tmp_path / ("gone" if number in missing else ""))
        model.mlmd_artifact.create_time_since_epoch = 1_000 * number
        blessing.set_float_custom_property("anchor_score", score)
        definition = (definitions or {}).get(number, "data")
        blessing.set_string_custom_property("data_definition", definition)
        if declared and number in declared:
            blessing.set_int_custom_property("anchor_at", declared[number])
        models.append(model)
        blessings.append(blessing)
    infra = [_blessing(model.id, blessed=True, kind=InfraBlessing) for model in models]
    inputs = {
        "candidate": [_model(len(scores) + 1)],
        "model": models,
        "model_blessing": blessings,
        "infra_blessing": infra,
    }
    result = BlessedBeforeStrategy("data").resolve_artifacts(None, inputs)
    since = [b.get_int_custom_property("current_model_id") for b in result["anchor_blessings"]]
    assert [model.id for model in result["anchor_model"]] == since[:1]
    return since


def test_the_anchor_is_the_model_with_the_best_lower_limit(tmp_path):
    assert _anchored(tmp_path, [0.5, 0.7, 0.6, 0.65]) == [2, 3, 4]


def test_of_equally_good_models_the_oldest_is_the_anchor(tmp_path):
    assert _anchored(tmp_path, [0.7, 0.7]) == [1, 2]


def test_models_of_data_that_were_defined_otherwise_are_no_anchor(tmp_path):
    assert _anchored(tmp_path, [0.9, 0.7, 0.6], definitions={1: "other"}) == [2, 3]
    assert _anchored(tmp_path, [0.9], definitions={1: "other"}) == []


def test_a_model_whose_files_are_gone_is_no_anchor(tmp_path):
    assert _anchored(tmp_path, [0.9, 0.7, 0.6], missing=(1,)) == [2, 3]


def test_a_declared_anchor_competes_with_later_models_only(tmp_path):
    # Declared at second 3, when models 1 to 3 existed: of them only the declared one counts.
    assert _anchored(tmp_path, [0.9, 0.5, 0.6, 0.4], declared={2: 3}) == [2, 3, 4]
    assert _anchored(tmp_path, [0.9, 0.5, 0.6, 0.7], declared={2: 3}) == [4]
    # The latest declaration counts.
    assert _anchored(tmp_path, [0.9, 0.5, 0.6, 0.4], declared={2: 3, 3: 4}) == [3, 4]
