"""ModelGate as a component: what the resolvers and the Pusher of TFX find."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from tfx.components.pusher import executor as tfx_pusher
from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from measuring.answers import make_answers
from models.features import Numeric
from pipeline.components.evaluation.eval_config import ANCHOR, BASELINE, CANDIDATE, make_eval_config
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.slices import OVERALL
from pipeline.components.evaluation.tfma_files import write_config, write_metrics
from pipeline.components.model_gate.component import ModelGate
from pipeline.components.model_gate.verdict import Terms
from pipeline.config import Config, Data, Gate, Label

# What TFMA's reader says of TensorFlow's old record iterator.
pytestmark = pytest.mark.filterwarnings("ignore:tf_record_iterator")

CONFIG = Config(
    name="test", label=Label(column="y"), data=Data(path="x.csv"), features={"x": Numeric()}
)
LABELS = np.repeat([0, 1], [90, 10])


def answer(noise: float):
    """A model that ranks perfectly, but for noise."""
    score = LABELS + noise * np.random.default_rng(0).normal(size=LABELS.size)
    probability = 1 / (1 + np.exp(-8 * (score - 0.6)))
    return probability, (probability >= 0.5).astype(int)


def judged(folder, gate=None, **noises: float):
    """The blessing that the gate gives to models of so much noise."""
    evaluation, model, blessing = ModelEvaluation(), Model(), ModelBlessing()
    evaluation.uri, model.uri = str(folder / "evaluation"), str(folder / "model")
    blessing.uri = str(folder / "blessing")
    model.id = 7
    config = tfma.utils.update_eval_config_with_defaults(
        make_eval_config(CONFIG), has_baseline=BASELINE in noises, rubber_stamp=True
    )
    if ANCHOR in noises:
        anchor = config.model_specs.add()
        anchor.CopyFrom(config.model_specs[0])
        anchor.name, anchor.is_baseline = ANCHOR, False
    names = {name: name if BASELINE in noises else "" for name in noises}
    answers = make_answers(LABELS, {names[name]: answer(noise) for name, noise in noises.items()})
    write_metrics(evaluation.uri, {OVERALL: answers}, MeasureOptions())
    write_config(evaluation.uri, config, examples="", models=dict.fromkeys(names.values(), ""))
    before, since = Model(), [ModelBlessing() for _ in range(3)]
    before.uri, before.id = str(folder / "before"), 5
    since[0].set_string_custom_property("evaluated_in", "run-1")
    ModelGate.EXECUTOR_SPEC.executor_class().Do(
        {"evaluation": [evaluation], "model": [model]}
        | ({"baseline_model": [before]} if BASELINE in noises else {})
        | ({"anchor_blessings": since} if ANCHOR in noises else {}),
        {"blessing": [blessing]},
        {
            "terms": Terms(gate=gate or Gate()).to_json(),
            "code_digest": "",
        },
    )
    return blessing


def files(blessing):
    return [path.name for path in Path(blessing.uri).iterdir()]


def test_a_blessed_model_is_known_to_tfx(tmp_path):
    blessing = judged(tmp_path, **{CANDIDATE: 0.1})
    assert files(blessing) == ["BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert blessing.get_string_custom_property("current_model") == str(tmp_path / "model")
    assert tfx_pusher.Executor().CheckBlessing({"model_blessing": [blessing]})


def test_a_refused_model_is_not_pushed_and_no_error(tmp_path):
    blessing = judged(tmp_path, **{CANDIDATE: 20})
    assert files(blessing) == ["NOT_BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 0
    assert not tfx_pusher.Executor().CheckBlessing({"model_blessing": [blessing]})


def test_verdict_reasons_and_metrics_are_on_the_blessing(tmp_path):
    blessing = judged(tmp_path, **{CANDIDATE: 0.5, BASELINE: 0.1})
    reasons = json.loads(blessing.get_string_custom_property("reasons"))
    assert blessing.get_string_custom_property("verdict") == "REJECTED"
    text = next(r["text"] for r in reasons if "model blessed before:" in r["text"])
    assert "against 1.000 of the model blessed before: -0." in text
    # A perfect model gains 0.9 over the prevalence of 0.1; 5 % of it are 0.045.
    assert "may be 0.045 lower" in text
    assert blessing.get_string_custom_property("baseline_model") == str(tmp_path / "before")
    assert blessing.get_int_custom_property("baseline_model_id") == 5
    metrics = json.loads(blessing.get_string_custom_property("metrics"))
    before = json.loads(blessing.get_string_custom_property("baseline_metrics"))
    # scikit-learn adds up the gains in recall, which rounds.
    assert (metrics["num_examples"], before["pr_auc"]) == (100, pytest.approx(1, abs=1e-12))
    assert metrics["pr_auc"] < 1


def test_a_model_that_is_as_good_as_the_last_is_judged_against_the_anchor_too(tmp_path):
    blessing = judged(tmp_path, **{CANDIDATE: 0.5, BASELINE: 0.5, ANCHOR: 0.1})
    reasons = json.loads(blessing.get_string_custom_property("reasons"))
    texts = {reason["text"]: reason["verdict"] for reason in reasons}
    last = next(text for text in texts if "of the model blessed before: +0.000" in text)
    anchor = next(text for text in texts if "of the anchor, since run-1: -0." in text)
    assert "in 3 models" in anchor
    assert (texts[last], texts[anchor]) == ("BLESSED", "INCONCLUSIVE")
