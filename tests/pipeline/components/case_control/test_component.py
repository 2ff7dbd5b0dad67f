"""CaseControl in TFX: what it writes, from files to files."""

import json
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from common.errors import InputError
from models.probabilities.sampling import SamplingRecord
from pipeline.components.case_control.executor import Executor
from pipeline.sampling_options import Sampling
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.example_files import read_split, write_split

pytestmark = pytest.mark.e2e

NUM = {"train": 3_000, "eval": 300, "test": 300}


def records(split: str) -> list[bytes]:
    """Every tenth example is positive."""
    examples = []
    for row in range(NUM[split]):
        example = tf.train.Example()
        features = example.features.feature
        features["faulty"].int64_list.value.append(int(row % 10 == 0))
        features["speed"].float_list.value.append(row)
        features["maker"].bytes_list.value.append(b"ab"[row % 2 : row % 2 + 1])
        examples.append(example.SerializeToString(deterministic=True))
    return examples


def write(folder: Path, split: str, num_files: int, *, backwards: bool = False) -> None:
    rows = records(split)[:: -1 if backwards else 1]
    for piece in range(num_files):
        write_split(folder, split, rows[piece::num_files], shard=piece, num_shards=num_files)


def is_positive(record: bytes) -> bool:
    return tf.train.Example.FromString(record).features.feature["faulty"].int64_list.value[0] == 1


def run(folder: Path, sampling: Sampling, *, num_files: int = 1, backwards: bool = False):
    """The sampled artifact of a data set written to so many files."""
    for split in NUM:
        write(folder / "in", split, num_files, backwards=backwards)
    examples, sampled = standard_artifacts.Examples(), standard_artifacts.Examples()
    examples.uri, sampled.uri = str(folder / "in"), str(folder / "out")
    examples.split_names = json.dumps(list(NUM))
    examples.span = 3
    for split, num in NUM.items():
        examples.set_int_custom_property(f"num_rows_{split}", num)
        examples.set_int_custom_property(f"num_positives_{split}", num // 10)
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    properties = {
        "sampling": sampling.to_json(),
        "label": "faulty",
        "seed": 7,
    }
    Executor(context).Do({"examples": [examples]}, {"sampled_examples": [sampled]}, properties)
    return sampled


def test_train_has_all_positives_and_some_negatives_and_the_record_says_how_many(tmp_path):
    sampled = run(tmp_path, Sampling(negatives_per_positive=3))
    train = read_split(tmp_path / "out", "train")
    num_positives = sum(map(is_positive, train))
    assert num_positives == 300
    # 900 wanted of 2,700, each drawn apart: standard deviation 24.
    num_kept = len(train) - num_positives
    assert num_kept == pytest.approx(900, abs=4 * 24)
    record = SamplingRecord.from_json(sampled.get_string_custom_property("sampling"))
    assert (record.rest.kept, record.rest.total) == (num_kept, 2_700)
    assert record.rest.nominal == pytest.approx(1 / 3)
    assert set(train) <= set(records("train"))


@pytest.mark.parametrize("split", ["eval", "test"])
def test_the_other_splits_stay_byte_for_byte(tmp_path, split):
    run(tmp_path, Sampling(keep=0.1))
    [before] = (tmp_path / "in" / f"Split-{split}").iterdir()
    [after] = (tmp_path / "out" / f"Split-{split}").iterdir()
    assert after.read_bytes() == before.read_bytes()


def test_files_and_their_order_decide_nothing(tmp_path):
    by_place = {
        "whole": run(tmp_path / "whole", Sampling(keep=0.1)),
        "parts": run(tmp_path / "parts", Sampling(keep=0.1), num_files=4),
        "backwards": run(tmp_path / "backwards", Sampling(keep=0.1), backwards=True),
    }
    kept = [Counter(read_split(tmp_path / place / "out", "train")) for place in by_place]
    assert kept[0] == kept[1] == kept[2]
    assert len({a.get_string_custom_property("sampling") for a in by_place.values()}) == 1


def test_the_artifact_says_of_itself_what_trainer_and_people_ask(tmp_path):
    sampled = run(tmp_path, Sampling(keep=0.1, by="maker", rates={"a": 0.5}))
    assert json.loads(sampled.split_names) == list(NUM)
    assert sampled.span == 3
    assert sampled.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert sampled.get_int_custom_property("num_positives_eval") == 30
    assert sampled.get_int_custom_property("num_rows_train") == len(
        read_split(tmp_path / "out", "train")
    )
    record = SamplingRecord.from_json(sampled.get_string_custom_property("sampling"))
    # Even rows are of maker `a`, and all positives are even: 1,500 less 300 negatives.
    assert (record.by, record.strata["a"].total, record.rest.total) == ("maker", 1_200, 1_500)


def test_a_rate_that_keeps_no_negative_is_bad_input(tmp_path):
    with pytest.raises(Exception, match="keeps none of the 2,700 negatives") as error:
        run(tmp_path, Sampling(keep=1e-9))
    causes, cause = [], error.value
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    assert any(isinstance(cause, InputError) for cause in causes)
