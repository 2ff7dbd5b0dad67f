"""Evaluator in TFX: TFMA's own figures where TFMA is exact, on a model with our signatures."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import Channel, standard_artifacts
from tfx.utils import proto_utils

from common.errors import InputError
from measuring.answers import make_answers
from models.features import Numeric, Signal
from models.probabilities.cost import Cost
from pipeline.components.evaluation.component import Evaluator
from pipeline.components.evaluation.eval_config import METRICS, make_eval_config
from pipeline.components.evaluation.executor import Executor
from pipeline.components.evaluation.measurement import MeasureOptions, measure
from pipeline.components.evaluation.results import (
    KNOWN,
    read_anchor_evaluation,
    read_baseline_evaluation,
    read_evaluation,
)
from pipeline.components.evaluation.slices import SliceOptions
from pipeline.config import Bars, Config, Data, Evaluation, Gate, GateSlice, Label
from pipeline.slicing import SlicePart
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.example_files import write_split

pytestmark = [
    pytest.mark.e2e,
    # What TFMA's reader says of TensorFlow's old record iterator.
    pytest.mark.filterwarnings("ignore:tf_record_iterator"),
]

SLOPES = {"model": 1.5, "baseline_model": 0.2}
AREAS = ("pr_auc", "roc_auc")
# One example in four lacks the sector.
SECTORS = ([b"north"], [b"south"], [b"up"], [])


class Logistic(tf.Module):
    """Answers sigmoid(slope * x), and 1 where that is at least 0.6."""

    def __init__(self, slope: float, column: str) -> None:
        super().__init__()
        self.slope = tf.Variable(slope)
        self.column = column

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples):
        spec = {self.column: tf.io.FixedLenFeature([1], tf.float32)}
        x = tf.io.parse_example(examples, spec)[self.column]
        probability = tf.sigmoid(self.slope * x)
        return {"probability": probability, "decision": tf.cast(probability >= 0.6, tf.int64)}


def model_artifact(folder: Path, slope: float, column: str = "x"):
    model = Logistic(slope, column)
    target = str(folder / "Format-Serving")
    tf.saved_model.save(model, target, signatures={"serve_examples": model.serve_examples})
    artifact = standard_artifacts.Model()
    artifact.uri = str(folder)
    return artifact


def examples_artifact(folder: Path, *, shards: int = 2):
    """400 examples in the split `test`: x is larger for the one in five that is positive."""
    random = np.random.default_rng(3)
    labels = (np.arange(400) % 5 == 0).astype(int)
    for shard in range(shards):
        records = [
            example(number, labels[number], random.normal(2 * labels[number]))
            for number in range(shard, 400, shards)
        ]
        write_split(folder, "test", records, shard=shard, num_shards=shards)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = json.dumps(["test"])
    artifact.set_string_custom_property("file_format", "tfrecords_gzip")
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    return artifact


def example(number: int, label: int, x: float) -> bytes:
    features = tf.train.Features(
        feature={
            "x": tf.train.Feature(float_list=tf.train.FloatList(value=[x])),
            "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            "hour": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3])),
            "sector": tf.train.Feature(
                bytes_list=tf.train.BytesList(
                    value=[[b"north"], [b"south"], [b"up"], []][number % 4]
                )
            ),
        }
    )
    return tf.train.Example(features=features).SerializeToString()


def use_case(*slices: tuple[str, ...]) -> Config:
    return Config(
        name="test",
        label=Label(column="y"),
        data=Data(path="test.csv"),
        features={"x": Numeric()},
        evaluation=Evaluation(slices=slices),
    )


def evaluate(
    executor_class, folder: Path, config: Config, *, examples, options=None, **models: object
) -> str:
    """Runs an executor; returns where its results are."""
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder), str(folder / "blessing")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    executor_class(context).Do(
        {"examples": [examples], **{key: [model] for key, model in models.items()}},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": proto_utils.proto_to_json(make_eval_config(config)),
            "example_splits": '["test"]',
            "fairness_indicator_thresholds": "null",
            "measure_options": (options or MeasureOptions()).to_json(),
            "slices": SliceOptions.of(config).to_json(),
        },
    )
    return str(folder)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return {
        "examples": examples_artifact(folder / "examples"),
        **{name: model_artifact(folder / name, slope) for name, slope in SLOPES.items()},
    }


def answers(examples, slope: float, key=()) -> tuple[np.ndarray, np.ndarray]:
    """Labels and a model's probabilities of the examples in a slice."""
    labels, xs = [], []
    for file in sorted(Path(examples.uri).glob("Split-test/*")):
        for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            values = {
                "hour": str(features["hour"].int64_list.value[0]),
                "sector": b"".join(features["sector"].bytes_list.value).decode(),
            }
            if all(values[column] == value for column, value in key):
                labels.append(features["y"].int64_list.value[0])
                xs.append(features["x"].float_list.value[0])
    return np.array(labels), tf.sigmoid(tf.constant(slope) * tf.constant(xs)).numpy()


def areas_of_tfma(labels, scores) -> dict[str, float]:
    """TFMA's two areas: counts above 10,000 thresholds, joined by lines or by hyperbolas.

    Between two thresholds the PR curve is taken to be one of Davis & Goadrich (2006): precision at
    a count p of alarms is (intercept + slope p) / p.
    """
    inner = np.arange(1, 9_999) / 9_999
    thresholds = np.array([-1e-7, *inner, 1 + 1e-7])
    above = [
        np.array([(part > t).sum() for t in thresholds])
        for part in (scores[labels == 1], scores[labels == 0])
    ]
    found, false = (counts.astype(float) for counts in above)
    alarms = found + false
    gain, more = -np.diff(found), -np.diff(alarms)
    with np.errstate(all="ignore"):
        slope = np.where(more > 0, gain / more, 0)
        intercept = found[1:] - slope * alarms[1:]
        both = (alarms[:-1] > 0) & (alarms[1:] > 0)
        growth = np.where(both, np.log(alarms[:-1] / alarms[1:]), 0)
        recall, fall_out = found / found[0], false / false[0]
    return {
        "pr_auc": float((slope * (gain + intercept * growth)).sum() / found[0]),
        "roc_auc": float((-np.diff(fall_out) * (recall[:-1] + recall[1:]) / 2).sum()),
    }


def exact_areas(labels, scores) -> dict[str, float]:
    return {
        "pr_auc": average_precision_score(labels, scores),
        "roc_auc": roc_auc_score(labels, scores),
    }


def test_one_positive_in_the_sixth_place_shows_how_far_the_areas_are_apart():
    labels, scores = np.array([0, 0, 0, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    # The step: one alarm in six is right where the only positive is found.
    assert exact_areas(labels, scores)["pr_auc"] == pytest.approx(1 / 6)
    # The hyperbola from (5 alarms, 0 found) to (6, 1): 1 - 5 ln(6 / 5) = 0.0884.
    expected = 1 - 5 * np.log(6 / 5)
    assert areas_of_tfma(labels, scores)["pr_auc"] == pytest.approx(expected)


def assert_alike(ours, theirs, labels, scores):
    """Equal in all but the areas, of which each side's follow from the same answers."""
    assert set(ours) - set(KNOWN) == set()
    assert set(ours) & set(METRICS) == set(theirs) & set(METRICS) == set(METRICS)
    changes = {"brier_diff"} & set(theirs)
    for name in (set(METRICS) | changes) - set(AREAS):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-6, nan_ok=True), name
    exact, of_tfma = exact_areas(labels, scores), areas_of_tfma(labels, scores)
    for name in AREAS:
        assert ours[name] == pytest.approx(exact[name], abs=1e-6), name
        # TFMA's thresholds are filled from a histogram whose borders are a little off theirs.
        assert theirs[name] == pytest.approx(of_tfma[name], abs=5e-4), name


# TFMA's own division, where no score lies between two thresholds.
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_the_figures_are_those_of_tfma_overall_by_slice_and_for_both_models(tmp_path, inputs):
    config = use_case(("sector",), ("hour", "sector"))
    ours = evaluate(Executor, tmp_path / "ours", config, **inputs)
    theirs = evaluate(tfx_executor.Executor, tmp_path / "theirs", config, **inputs)
    readers = {"model": read_evaluation, "baseline_model": read_baseline_evaluation}
    for name, read in readers.items():
        found, expected = read(ours), read(theirs)
        examples, slope = inputs["examples"], SLOPES[name]
        assert_alike(found.overall, expected.overall, *answers(examples, slope))
        assert set(found.slices) == set(expected.slices)
        assert len(found.slices) > 10
        for key, metrics in found.slices.items():
            assert_alike(metrics, expected.slices[key], *answers(examples, slope, key))
    assert read_evaluation(ours).overall != read_baseline_evaluation(ours).overall


def test_intervals_are_tfmas_bounded_values_and_changes_its_differences(tmp_path, inputs):
    cost = Cost(missed_fault=100, false_alarm=9, inspection=1)
    options = MeasureOptions(cost=cost)
    uri = evaluate(Executor, tmp_path / "bounded", use_case(), options=options, **inputs)
    # What a person with TFMA alone sees.
    result = tfma.load_eval_result(uri, model_name="candidate")
    metrics = {
        output: result.get_metrics_for_slice(output_name=output)
        for output in ("probability", "decision")
    }
    recall = metrics["decision"]["recall"]["boundedValue"]
    labels, scores = answers(inputs["examples"], SLOPES["model"])
    found = int((scores[labels == 1] >= 0.6).sum())
    exact = binomtest(found, int(labels.sum())).proportion_ci(0.95, "exact")
    assert (recall["lowerBound"], recall["upperBound"]) == pytest.approx((exact.low, exact.high))
    for output, name in (
        *(("probability", name) for name in ("pr_auc", "roc_auc", "brier")),
        ("probability", "brier_diff"),
        *(("decision", name) for name in ("precision", "expected_cost", "expected_cost_diff")),
    ):
        bounded = metrics[output][name]["boundedValue"]
        assert bounded["lowerBound"] < bounded["value"] < bounded["upperBound"], name
    # Both models rank by x, so that in every resample their areas are the same. None of 80 faults
    # is lost; of all faults it may be 1 - 0.025^(1/80).
    change = metrics["probability"]["pr_auc_diff"]["boundedValue"]
    assert (change["value"], change["upperBound"]) == (0, pytest.approx(1 - 0.025 ** (1 / 80)))
    assert change["lowerBound"] == -change["upperBound"]
    false = int((scores[labels == 0] >= 0.6).sum())
    spent = 100 * (labels.sum() - found) + 10 * false + 1 * found
    measured = read_evaluation(uri).overall
    assert measured["expected_cost"] == pytest.approx(1_000 * spent / 400)
    before = read_baseline_evaluation(uri).overall
    change = measured["expected_cost"] - before["expected_cost"]
    assert measured["expected_cost_diff"] == pytest.approx(change)
    lost, gained = (measured[name] for name in ("faults_lost", "faults_gained"))
    assert gained - lost == measured["true_positives"] - before["true_positives"]


def test_an_anchor_is_measured_beside_the_baseline(tmp_path, inputs):
    anchor = model_artifact(tmp_path / "anchor", -1.0)
    with_anchor = inputs | {"anchor_model": anchor}
    uri = evaluate(Executor, tmp_path / "three", use_case(), **with_anchor)
    measured, before, first = (
        read(uri) for read in (read_evaluation, read_baseline_evaluation, read_anchor_evaluation)
    )
    labels, scores = answers(inputs["examples"], -1.0)
    assert first.overall["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    change = measured.overall["pr_auc"] - first.overall["pr_auc"]
    assert measured.overall["pr_auc_from_anchor"] == pytest.approx(change)
    lower, upper = measured.intervals[()]["pr_auc_from_anchor"]
    assert 0 < lower < change < upper
    assert measured.overall["pr_auc_diff"] == pytest.approx(0)
    assert before.overall["pr_auc"] == pytest.approx(measured.overall["pr_auc"])


def test_an_anchor_that_is_the_baseline_is_not_measured_twice(tmp_path, inputs):
    same = inputs | {"anchor_model": inputs["baseline_model"]}
    uri = evaluate(Executor, tmp_path / "two", use_case(), **same)
    assert read_anchor_evaluation(uri) is None
    assert read_baseline_evaluation(uri) is not None
    assert "pr_auc_from_anchor" not in read_evaluation(uri).overall


def test_the_same_answers_give_the_same_results_bit_for_bit_whatever_the_files(tmp_path, inputs):
    models = {key: inputs[key] for key in ("model", "baseline_model")}
    whole = examples_artifact(tmp_path / "whole", shards=1)
    written = [
        Path(evaluate(Executor, tmp_path / name, use_case(), examples=examples, **models))
        for name, examples in (("one", whole), ("again", whole))
    ]
    one, again = (next(folder.glob("metrics*")).read_bytes() for folder in written)
    assert one == again
    random = np.random.default_rng(0)
    answered = make_answers(
        random.integers(0, 2, 50), {"m": (random.random(50), random.integers(0, 2, 50))}
    )
    shuffled = answered.rows(random.permutation(50))
    assert measure(answered, MeasureOptions()) == measure(shuffled, MeasureOptions())


def test_examples_of_one_group_are_no_independent_witnesses(tmp_path, inputs):
    models = {key: inputs[key] for key in ("examples", "model")}
    areas = {}
    for group in (None, "hour"):  # three hours: three groups of 400 examples
        options = MeasureOptions(group=group)
        uri = evaluate(Executor, tmp_path / str(group), use_case(), options=options, **models)
        areas[group] = read_evaluation(uri).intervals[()]["pr_auc"]
    assert areas["hour"][0] < areas[None][0] - 0.1
    assert areas["hour"][1] > areas[None][1]
    options = MeasureOptions(group="no_such")
    with pytest.raises(InputError, match=r"examples lack the column `no_such`"):
        evaluate(Executor, tmp_path / "absent", use_case(), options=options, **models)


def test_windows_of_streams_are_measured_by_event_for_each_model(tmp_path, inputs):
    # Both models raise an alarm above log(0.6 / 0.4) / slope: 0.27 and 2.03. Hours 2 and 3 of each
    # of two streams are an event; the other hours are healthy.
    hours = {b"a": [0.1, 0.1, 0.5, 2.5, 0.1, 1.0], b"b": [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]}
    records = []
    for stream, values in hours.items():
        for hour, x in enumerate(values):
            record = tf.train.Example.FromString(example(hour, int(hour in {2, 3}), x))
            start = 3_600.0 * hour
            texts = {
                "window": f"{start}/{start + 3_600}".encode(),
                "stretch": stream,
                "event": b"e1@7200.0" if hour in {2, 3} else b"",
            }
            for name, text in texts.items():
                record.features.feature[name].bytes_list.value.append(text)
            records.append(record.SerializeToString())
    examples = standard_artifacts.Examples()
    examples.copy_from(inputs["examples"])
    examples.uri = str(tmp_path / "examples")
    for shard in range(2):
        own = records[shard::2]
        write_split(tmp_path / "examples", "test", own, shard=shard, num_shards=2)
    found = evaluate(Executor, tmp_path, use_case(), **inputs | {"examples": examples})
    measured, before = read_evaluation(found), read_baseline_evaluation(found)
    # The candidate finds the event of `a` in its first hour, and has a false alarm in each stream.
    expected = {"event_recall": 0.5, "delay_s": 3_600, "num_false_alarms": 2, "healthy_hours": 8}
    assert expected.items() <= measured.overall.items()
    # The baseline finds it in its second hour.
    expected = {"event_recall": 0.5, "delay_s": 7_200, "num_false_alarms": 0, "healthy_hours": 8}
    assert expected.items() <= before.overall.items()
    assert measured.intervals[()]["event_recall"] == pytest.approx((0.0126, 0.9874), abs=1e-4)
    # A single delay has no upper limit.
    assert measured.intervals[()]["delay_s"] == (0, np.inf)


def test_one_model_alone_reads_as_the_candidate(tmp_path, inputs):
    models = {key: inputs[key] for key in ("examples", "model")}
    uri = evaluate(Executor, tmp_path / "alone", use_case(("hour",)), **models)
    measured = read_evaluation(uri)
    assert measured.overall["num_examples"] == 400
    # Numbers 0, 3, … 399 have hour 0.
    assert measured.slices[("hour", "0"),]["num_examples"] == 134
    assert read_baseline_evaluation(uri) is None


def test_the_calibration_plot_loads(tmp_path, inputs):
    models = {key: inputs[key] for key in ("examples", "model")}
    uri = evaluate(Executor, tmp_path / "plot", use_case(), **models)
    [(key, plots)] = tfma.load_eval_result(uri).plots
    buckets = plots["probability"][""]["calibrationHistogramBuckets"]["buckets"]
    assert key == ()
    assert sum(bucket["numWeightedExamples"] for bucket in buckets) == 400
    assert sum(bucket["totalWeightedLabel"] for bucket in buckets) == 80


def test_recording_troubles_are_slices_whatever_the_files(tmp_path, inputs):
    random = np.random.default_rng(5)
    signals = random.normal(size=(60, 32)).astype(np.float32)
    # All in the first of the files, where they are the half and nothing unusual.
    signals[:14] *= 8
    signals[40, 3] = np.nan
    config = dataclasses.replace(
        use_case(),
        features={"x": Numeric(), "v": Signal(num_samples=32)},
        gate=Gate(
            slices=(
                GateSlice(columns=(SlicePart(trouble="noise"),), bars=Bars(recall=0.5)),
                GateSlice(columns=(SlicePart(trouble="gap"),), bars=Bars(recall=0.5)),
            )
        ),
    )
    found = []
    for sizes in ((20, 40), (60,)):
        folder = tmp_path / str(len(sizes))
        examples = standard_artifacts.Examples()
        examples.uri = str(folder / "examples")
        rows = iter(signals)
        for number, size in enumerate(sizes):
            file = folder / "examples" / "Split-test" / f"data-{number}.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
                for place, row in zip(range(size), rows, strict=False):
                    message = tf.train.Example.FromString(example(place, place % 2, 0.1))
                    message.features.feature["v"].float_list.value.extend(row)
                    writer.write(message.SerializeToString())
        uri = evaluate(Executor, folder, config, examples=examples, model=inputs["model"])
        slices = read_evaluation(uri).slices
        found.append({key: values["num_examples"] for key, values in slices.items()})
    expected = {(("recording trouble", "noise"),): 14, (("recording trouble", "gap"),): 1}
    assert found == [expected, expected]


@pytest.mark.parametrize("slices", [("no_such_column",), ("hour", "no_such_column")])
def test_a_slice_without_a_result_is_an_error(tmp_path, inputs, slices):
    models = {key: inputs[key] for key in ("examples", "model")}
    message = r"no_such_column'\]\].*columns hour, sector, x, y"
    with pytest.raises(InputError, match=message):
        evaluate(Executor, tmp_path / "absent", use_case(slices), **models)


def test_a_model_blessed_before_that_needs_an_old_column_is_an_error_with_a_way_out(
    tmp_path, inputs
):
    old = model_artifact(tmp_path / "old", 1.0, column="z")
    with pytest.raises(InputError, match=r"blessed before.*Feature: z .*a new `name`"):
        evaluate(Executor, tmp_path / "out", use_case(), **inputs | {"baseline_model": old})


def test_the_evaluator_blesses_nothing_and_its_code_is_in_the_cache_key():
    evaluator = Evaluator(
        examples=Channel(type=standard_artifacts.Examples),
        model=Channel(type=standard_artifacts.Model),
        eval_config=make_eval_config(use_case()),
        example_splits=["test"],
        code_digest="code",
    )
    assert list(evaluator.outputs) == ["evaluation"]
    assert evaluator.exec_properties["code_digest"] == "code"
