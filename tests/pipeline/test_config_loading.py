import dataclasses
import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from common.errors import InputError
from models.features import Numeric, Signal
from pipeline import config_loading
from pipeline.config import Config, Data, Split

MINIMAL = """\
name: pumps
label:
  column: failed
data:
  path: pumps.csv
features:
  speed: {kind: numeric, unit: rpm}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pumps.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def error_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as error:
        config_loading.load_config(write(tmp_path, text))
    return str(error.value)


def test_a_minimal_file_gives_the_defaults_and_its_own_folder(tmp_path):
    config = config_loading.load_config(write(tmp_path, MINIMAL))
    assert config.features == {"speed": Numeric(unit="rpm")}
    assert config.label.positive == 1
    assert config.folder == tmp_path


def test_lists_become_tuples_and_numbers_of_signals_stay(tmp_path):
    text = MINIMAL + "  v: {kind: signal, num_samples: 8, sampling_rate_hz: 500}\n"
    text += "train: {hidden_units: [8, 4]}\n"
    config = config_loading.load_config(write(tmp_path, text))
    assert config.train.hidden_units == (8, 4)
    assert config.features["v"] == Signal(num_samples=8, sampling_rate_hz=500.0)


def test_eval_gets_no_windows_of_the_recordings_in_train(tmp_path):
    recordings = "  recordings: {form: stream, window: {num_samples: 8}}\n"
    text = MINIMAL.replace("  path: pumps.csv\n", f"  path: pumps.csv\n{recordings}")
    text += "split: {strategy: group, column: recording}\n"
    assert config_loading.load_config(write(tmp_path, text)).split.column == "recording"
    message = error_of(tmp_path, text.replace("recording}", "recording, eval_within_groups: true}"))
    assert "split.eval_within_groups does not go with data.recordings.window" in message


@pytest.mark.parametrize(
    ("hop", "split", "shared"),
    [
        (1, "{strategy: stratified}", "that follow each other"),
        (0.5, "{strategy: stratified}", "that share samples"),
        (0.5, "{strategy: time, column: window_start}", "that share samples"),
        (0.5, "{strategy: blocks, block_rows: 10}", "that share samples"),
        (1, "{strategy: time, column: window_start}", ""),
        (0.5, "{strategy: group, column: stretch}", ""),
    ],
)
def test_windows_of_one_recording_are_not_dealt_at_random(tmp_path, hop, split, shared):
    recordings = f"  recordings: {{form: stream, window: {{num_samples: 8, hop: {hop}}}}}\n"
    text = MINIMAL.replace("  path: pumps.csv\n", f"  path: pumps.csv\n{recordings}")
    text += f"split: {split}\n"
    if not shared:
        assert config_loading.load_config(write(tmp_path, text)).data.recordings is not None
        return
    assert f"train and test would have windows {shared}" in error_of(tmp_path, text)


@pytest.mark.parametrize("value", ["yes", "2.5", "3", "true", '"3"'])
def test_the_positive_value_keeps_its_type(tmp_path, value):
    text = MINIMAL.replace("column: failed", f"column: failed\n  positive: {value}")
    expected = {"yes": "yes", "2.5": 2.5, "3": 3, "true": True, '"3"': "3"}[value]
    positive = config_loading.load_config(write(tmp_path, text)).label.positive
    assert positive == expected
    assert type(positive) is type(expected)


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("train:\n  batch_size: -1\n", "line 9: train.batch_size must be > 0, got -1"),
        ("train:\n  dropout: 1\n", "line 9: train.dropout must be < 1, got 1"),
        ("train:\n  epochs: true\n", "line 9: train.epochs must be a valid integer, got true"),
        ('train:\n  epochs: "3"\n', 'line 9: train.epochs must be a valid integer, got "3"'),
        (
            "train:\n  bacth_size: 3\n",
            "line 9: unknown key `train.bacth_size`; did you mean `batch_size`?",
        ),
        (
            "gate:\n  zzz: 3\n",
            "line 9: unknown key `gate.zzz`; valid keys are `min_pr_auc_gain`, `max_pr_auc_drop`",
        ),
        ("tuning:\n  trials: 3\n", "line 8: tuning.space is missing"),
        ("tuning:\n  trails: 3\n", "line 9: unknown key `tuning.trails`; did you mean `trials`?"),
        (
            "tuning:\n  space:\n    dropout: {mn: 0}\n",
            "line 10: unknown key `tuning.space.dropout.mn`; did you mean `min`?",
        ),
        (
            "tuning:\n  space:\n    dropout: {min: 0}\n",
            "line 10: tuning.space.dropout: needs `min` and `max`, or `choices`",
        ),
        (
            "tuning:\n  space:\n    dropot: {min: 0, max: 0.5}\n",
            "tuning.space.dropot is not an option that is searched: `batch_size`, ",
        ),
        (
            "gate:\n  slices:\n    - columns: [site]\n      bars: {recal: 0.9}\n",
            "line 11: unknown key `gate.slices.0.bars.recal`; did you mean `recall`?",
        ),
        (
            "cost: {missed_fault: 5, false_alarm: 1, inspection: 9}\n",
            "`missed_fault` (5) must be more than `inspection` (9)",
        ),
        (
            "cost: {missed_fault: 5, false_alarm: 0}\n",
            "`false_alarm` and `inspection` are both 0",
        ),
        (
            "threshold: {best_f1: true, precision_at_recall: 0.9}\n",
            "threshold: takes one rule, got `best_f1` and `precision_at_recall`",
        ),
        (
            "gate: {bars: {expected_cost: 10}}\n",
            "gate has a bar `expected_cost`, but `cost` is not set",
        ),
        (
            "gate: {slices: [{columns: [site], bars: {delay_s: 60}}]}\n",
            "gate has a bar `delay_s`, which counts events of streams, but data.recordings.form",
        ),
        (
            "threshold: {false_alarms_per_day: 2}\n",
            "threshold.false_alarms_per_day is set, which counts events of streams",
        ),
        ("gate: {slices: [{columns: [site], bars: {}}]}\n", "`bars` sets no bar"),
        (
            "evaluation:\n  slices:\n    - [site]\n    - [{colum: site}]\n",
            "line 11: unknown key `evaluation.slices.1.0.colum`; did you mean `column`?",
        ),
        (
            "gate:\n  slices:\n    - {columns: [{trouble: wrong_sampling}], bars: {recall: 0.9}}\n",
            "line 10: gate.slices.0.columns.0.trouble must be 'noise', 'gap', 'bias', 'wrong "
            "sampling', 'clipping', 'blur', 'underexposure' or 'overexposure', got "
            '"wrong_sampling"; did you mean `wrong sampling`?',
        ),
        (
            "evaluation: {slices: [[{trouble: noise}]]}\n",
            "evaluation.slices.0 names the recording trouble `noise`, which only the kind `signal`",
        ),
        (
            "  v: {kind: signal, num_samples: 8}\n"
            "gate: {slices: [{columns: [{trouble: wrong sampling}], bars: {recall: 0.9}}]}\n",
            "gate.slices.0.columns names the recording trouble `wrong sampling`, but no signal",
        ),
        (
            "evaluation: {slices: [[{column: x, value: true}]]}\n",
            "evaluation.slices.0.0.value must be text or a number, got true",
        ),
        (
            "evaluation: {slices: [[{column: x, at_least: 3, below: 3}]]}\n",
            "evaluation.slices.0.0: at_least must be < below, got 3.0 and 3.0",
        ),
        ("evaluation: {slices: [[{column: x, below: low}]]}\n", "evaluation.slices.0.0.below must"),
        ("evaluation: {slices: [[x, 5]]}\n", "evaluation.slices.0.1 must be a valid string, got 5"),
        (
            "tuning: {objective: expected_cost, space: {dropout: {min: 0, max: 0.5}}}\n",
            "tuning.objective `expected_cost` needs the prices in `cost`",
        ),
        ("lable: x\n", "line 8: unknown key `lable`; did you mean `label`?"),
        ("folder: /x\n", "line 8: unknown key `folder`; valid keys are `name`, "),
        ("  t: {kind: numbr}\n", "line 8: features.t.kind must be one of `numeric`, "),
        ("  t: {kind: numbr}\n", "got `numbr`; did you mean `numeric`?"),
        ("  t: {unit: K}\n", "line 8: features.t needs `kind`, one of `numeric`, "),
        ("  t: numeric\n", 'line 8: features.t must be `key: value` lines, got "numeric"'),
        (
            "  t:\n    kind: signal\n    units: V\n    num_samples: 4\n",
            "line 10: unknown key `features.t.units`; did you mean `unit`?",
        ),
        ("  t:\n    kind: signal\n", "line 8: features.t.num_samples is missing"),
        ("  t: {kind: signal, num_samples: 1}\n", "features.t.num_samples must be >= 2, got 1"),
        ("  7: {kind: numeric}\n", "line 8: key features.7 is not text but 7; write it in quotes"),
        ("split:\n  strategy: group\n", "line 8: split: strategy `group` needs `column`"),
        ("split:\n  strategy: random\n", "must be 'stratified', 'group', 'time' or 'blocks', got"),
        ("split:\n  strategy: blocks\n", "line 8: split: strategy `blocks` needs `block_rows`"),
        (
            "split:\n  strategy: blocks\n  block_rows: 0\n",
            "line 10: split.block_rows must be > 0, got 0",
        ),
        (
            "split:\n  strategy: blocks\n  block_rows: 5\n  column: t\n",
            "line 8: split: strategy `blocks` splits rows by position, not by `column` (t)",
        ),
        (
            "split:\n  block_rows: 5\n",
            "line 8: split: `block_rows` is for strategy `blocks` only, got strategy `stratified`",
        ),
        ("sampling:\n  keep: 0\n", "line 9: sampling.keep must be > 0, got 0"),
        ("sampling: {}\n", "line 8: sampling: needs exactly one of `negatives_per_positive`"),
        ("sampling:\n  kep: 0.1\n", "line 9: unknown key `sampling.kep`; did you mean `keep`?"),
        (
            "sampling: {keep: 0.1, by: speed, rates: {a: 0.5}}\n",
            "sampling.by names `speed`, which is not a categorical feature",
        ),
        ("calibration: plat\n", "line 8: calibration must be 'platt', 'temperature', 'isotonic'"),
        ("train: {loss: focal, focal_gamma: -1}\n", "train.focal_gamma must be >= 0, got -1"),
        (
            "calibration: none\ntrain: {hard_negatives: {share: 0.1}}\n",
            "train.hard_negatives distorts the probabilities",
        ),
        (
            "train:\n  hard_negatives:\n    shar: 0.1\n",
            "line 10: unknown key `train.hard_negatives.shar`; did you mean `share`?",
        ),
        (
            "train: {augmentation: {speed: {noise: 1}}}\n",
            "train.augmentation.speed: `speed` is numeric; only signals, sounds and "
            "pictures can be varied",
        ),
        (
            "train:\n  augmentation:\n    speed:\n      nois: 1\n",
            "line 11: unknown key `train.augmentation.speed.nois`; did you mean `noise`?",
        ),
        ("train: 3\n", "line 8: train must be `key: value` lines, got 3"),
        ("evaluation:\n  slices:\n  - [a]\n  - 5\n", "line 11: evaluation.slices.1 must be"),
        ("metadata:\n  url: ftp://x\n", "line 9: metadata.url: must be mysql://"),
        ("  failed: {kind: numeric}\n", "line 1: the label `failed` must not be among"),
    ],
)
def test_a_wrong_value_is_named_with_line_and_key(tmp_path, added, expected):
    message = error_of(tmp_path, MINIMAL + added)
    assert message.startswith(f"{tmp_path / 'pumps.yaml'}, line ")
    assert expected in message


def test_a_key_that_was_merged_in_is_found_at_the_mapping_that_takes_it(tmp_path):
    text = MINIMAL + "  a: &base {kind: numeric, units: V}\n  b:\n    <<: *base\n"
    assert "line 9: unknown key `features.b.units`" in error_of(tmp_path, text)


@pytest.mark.parametrize(
    ("time_format", "expected"),
    [
        ("%Q-%m-%d", "has `%Q`, which is no part of a time. Known are %Y, %y"),
        ("%Y-%m-%d %", "has `%`, which is no part of a time"),
        ("%d.%m.%y %-H", "has `%-`, which is no part of a time"),
        ("%m/%m/%Y", "has `%m` more than once"),
    ],
)
def test_a_time_format_that_nothing_reads_is_named_with_line_and_key(
    tmp_path, time_format, expected
):
    columns = f"  columns:\n    at: {{type: time, format: '{time_format}'}}\n"
    message = error_of(tmp_path, MINIMAL.replace("features:", f"{columns}features:"))
    assert "line 7: data.columns.at.format" in message
    assert expected in message


def test_a_wrong_type_of_the_positive_value_is_said_once(tmp_path):
    text = MINIMAL.replace("column: failed", "column: failed\n  positive: [1]")
    assert error_of(tmp_path, text).endswith(
        "line 4: label.positive must be text, a number or true/false"
    )


def test_every_problem_is_in_one_message_in_the_order_of_lines(tmp_path):
    message = error_of(tmp_path, MINIMAL + "train:\n  epochs: 0\n  patience: 0\nseed: -1\n")
    assert [line.split(", ")[1] for line in message.splitlines()] == [
        "line 9: train.epochs must be > 0",
        "line 10: train.patience must be > 0",
        "line 11: seed must be >= 0",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "expected `key: value` lines at the top level, found a list"),
        ("name: a\nlabel: [\n", "line 3: not valid YAML"),
        (MINIMAL + "name: again\n", "line 8: not valid YAML: found duplicate key"),
        ("name: a\x00b\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, expected):
    assert expected in error_of(tmp_path, text)


def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: a\n# caf\xe9\n")
    with pytest.raises(InputError, match="line 2: byte 0xe9 is not UTF-8"):
        config_loading.load_config(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        config_loading.load_config(tmp_path / "no.yaml")
    with pytest.raises(InputError, match="is a folder"):
        config_loading.load_config(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads files of mode 000")
def test_a_file_without_permission_is_refused(tmp_path):
    path = write(tmp_path, MINIMAL)
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        config_loading.load_config(path)


def test_json_gives_the_same_config_again_and_does_not_hold_the_folder(tmp_path):
    config = config_loading.load_config(write(tmp_path, MINIMAL))
    text = config_loading.config_to_json(config)
    assert str(tmp_path) not in text
    read = TypeAdapter(Config).validate_json(text)
    assert dataclasses.replace(read, folder=tmp_path) == config


def test_the_digest_follows_the_content_and_not_the_place(tmp_path):
    def digest(folder: str, text: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        config: Config = config_loading.load_config(write(tmp_path / folder, text))
        return config_loading.config_digest(config)

    assert digest("a", MINIMAL) == digest("b", "# moved\n" + MINIMAL)
    assert digest("a", MINIMAL) != digest("a", MINIMAL + "seed: 1\n")


def test_a_name_under_which_models_lie_beside_the_served_ones_is_refused(tmp_path):
    text = MINIMAL.replace("name: pumps", "name: pumps_shadow")
    assert "name must not end in `_shadow`, got `pumps_shadow`" in error_of(tmp_path, text)


@pytest.mark.parametrize(
    ("lines", "kind", "value"),
    [
        ("", "best_f1", 0.0),
        # (9 + 1) / (9 + 190) by Elkan's formula: an alarm on a healthy example costs 10, a fault
        # without one 189 more than with one: 10 / (10 + 189).
        ("cost: {missed_fault: 190, false_alarm: 9, inspection: 1}\n", "given", 10 / 199),
        ("cost: {missed_fault: 9, false_alarm: 1}\nthreshold: {best_f1: true}\n", "best_f1", 0.0),
        (
            "threshold: {recall_at_false_alarm_rate: 0.01}\n",
            "recall_at_false_alarm_rate",
            0.01,
        ),
        (
            "threshold: {precision_at_recall: 0.9, confidence: 0.8}\n",
            "precision_at_recall",
            0.9,
        ),
    ],
)
def test_the_threshold_is_that_of_the_rule_else_of_the_prices_else_of_the_best_f1(
    tmp_path, lines, kind, value
):
    rule = config_loading.load_config(write(tmp_path, MINIMAL + lines)).model_spec.threshold
    assert (rule.kind, rule.value) == (kind, pytest.approx(value))
    assert rule.confidence == (0.8 if "confidence" in lines else 0.9)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"window": 0}, "window"),
        ({"first_span": 3, "last_span": 2}, "first_span must be <= last_span, got 3 and 2"),
    ],
)
def test_a_window_that_holds_nothing_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        Data(path="span-{SPAN}/*", **data)


def test_groups_that_come_in_several_spans_cannot_be_kept_on_one_side(tmp_path):
    (tmp_path / "pumps.yaml").write_text(MINIMAL)
    config = config_loading.load_config(tmp_path / "pumps.yaml")
    grouped = Split(strategy="group", column="maker")
    dataclasses.replace(config, split=grouped, data=Data(path="{SPAN}/*", window=1))
    with pytest.raises(ValueError, match="would be in train and in test"):
        dataclasses.replace(config, split=grouped, data=Data(path="{SPAN}/*", window=2))
