import dataclasses
import json
import math

import pytest

from common.errors import InputError
from models.features import Numeric
from models.model_spec import ModelSpec
from models.probabilities.sampling import Kept, SamplingRecord, sampling_shift
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions
from pipeline.components.trainer.executor import check_eval, check_export

SPEC = ModelSpec(label="faulty", features={"speed": Numeric()}, train=TrainOptions())
RECORD = SamplingRecord(strata={}, rest=Kept(nominal=0.1, kept=11, total=100))


def _export(folder, shift: dict) -> str:
    path = folder / "assets.extra" / "model_info.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"correction": {"sampling": shift}}))
    return str(folder)


def test_a_model_that_corrects_what_was_recorded_passes(tmp_path):
    check_export(_export(tmp_path, dataclasses.asdict(sampling_shift(RECORD))), RECORD)


def test_a_model_that_corrects_the_nominal_rate_is_refused(tmp_path):
    shift = {"by": None, "strata": {}, "rest": math.log(0.1)}
    with pytest.raises(ValueError, match=r"adds -2.302585 .* requires -2.207275"):
        check_export(_export(tmp_path, shift), RECORD)


def test_a_model_of_sampled_examples_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="says nothing of a correction"):
        check_export(str(tmp_path), RECORD)


def test_isotonic_calibration_is_refused_before_training_where_positives_are_few():
    isotonic = dataclasses.replace(SPEC, calibration="isotonic")
    check_eval(isotonic, num_rows=5_000, num_positives=200)
    check_eval(SPEC, num_rows=40, num_positives=3)
    with pytest.raises(InputError, match=r"at least 200 positive .* has 17.*calibration: platt"):
        check_eval(isotonic, num_rows=486, num_positives=17)


def test_a_threshold_that_eval_is_too_small_for_is_refused_before_training():
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01)
    spec = dataclasses.replace(SPEC, threshold=rule)
    check_eval(spec, num_rows=247, num_positives=17)
    # 246 rows with 17 faults leave 229 healthy ones.
    with pytest.raises(InputError, match="at least 230 healthy examples in eval, which has 229"):
        check_eval(spec, num_rows=246, num_positives=17)
