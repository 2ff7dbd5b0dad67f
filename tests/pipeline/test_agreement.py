"""Disagreements between config and schema are found before anything runs, with both lines."""

from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.agreement import check_agreement
from pipeline.config_loading import load_config

CONFIG = """\
name: wells
label: {column: failed}
data:
  path: wells.csv
  columns:
    at: {type: time, unit: ms}
schema: wells.pbtxt
features:
  a: {kind: numeric}
  maker: {kind: categorical}
  at: {kind: time}
  v: {kind: signal, num_samples: 4}
"""
SCHEMA = """\
feature { name: "a" type: FLOAT shape { dim { size: 1 } } }
feature { name: "maker" type: BYTES }
feature { name: "at" type: INT }
feature {
  name: "v"
  type: FLOAT
  shape { dim { size: 4 } }
}
feature { name: "failed" type: INT }
"""


def check(folder: Path, config: str, schema: str) -> None:
    path = folder / "wells.yaml"
    path.write_text(config)
    (folder / "wells.pbtxt").write_text(schema)
    check_agreement(load_config(path), path)


def test_an_agreeing_config_and_schema_pass(tmp_path):
    check(tmp_path, CONFIG, SCHEMA)


def test_without_a_schema_only_the_config_is_checked(tmp_path):
    check(tmp_path, CONFIG.replace("schema: wells.pbtxt\n", ""), "no schema")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"a" type: FLOAT',
            '"a" type: BYTES',
            r"wells.yaml, line 9: features.a is numeric; .*wells.pbtxt, line 1: `a` is BYTES. "
            "Make it FLOAT or INT",
        ),
        ('"at" type: INT', '"at" type: FLOAT', "line 11: features.at is time; .*line 3: `at` is"),
        (
            '"at" type: INT',
            '"at" type: FLOAT',
            "line 6: data.columns.at is `time`; .*line 3: `at` is FLOAT. Make it INT",
        ),
        ("size: 4", "size: 5", "line 12: features.v has 4 values a row; .*line 5: .* shape 5"),
        ("size: 1", "size: 2", "features.a has 1 value a row; .*`a` has the shape 2"),
        ('"failed" type: INT', '"failed" type: BYTES', "line 2: label.column is .*Make it INT"),
        ('name: "maker"', 'name: "made_by"', "line 10: features.maker: .*has no column of that"),
    ],
)
def test_a_disagreement_names_both_lines(tmp_path, old, new, message):
    assert old in SCHEMA
    with pytest.raises(InputError, match=message):
        check(tmp_path, CONFIG, SCHEMA.replace(old, new, 1))


def test_a_format_that_does_not_fit_the_feature_is_found_without_a_schema(tmp_path):
    config = CONFIG.replace("schema: wells.pbtxt\n", "").replace("at: {kind: time}", "at: {}")
    config = config.replace("at: {}", "at: {kind: numeric}")
    with pytest.raises(
        InputError, match=r"line 10: features.at is numeric; .*line 6: data.columns.at is `time`"
    ):
        check(tmp_path, config, "")


def test_all_disagreements_are_named_at_once(tmp_path):
    schema = SCHEMA.replace('"a" type: FLOAT', '"a" type: BYTES').replace("size: 4", "size: 5")
    with pytest.raises(InputError, match=r"features\.a") as error:
        check(tmp_path, CONFIG, schema)
    assert len(str(error.value).splitlines()) == 2


def test_a_column_of_files_takes_bytes_and_no_format(tmp_path):
    audio = "{kind: audio, sampling_rate_hz: 8000, duration_s: 1}"
    config = CONFIG.replace("at: {kind: time}", f"at: {audio}")
    with pytest.raises(InputError, match=r"at is audio, the bytes of files, .* remove .*line 6"):
        check(tmp_path, config.replace("schema: wells.pbtxt\n", ""), "")
    with pytest.raises(InputError, match=r"features.at is audio; .*Make it BYTES"):
        check(tmp_path, config, SCHEMA)
