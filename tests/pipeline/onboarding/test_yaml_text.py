import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from models.features import Categorical, Numeric, Signal, Time
from pipeline.onboarding.yaml_text import flow, positive_scalar, scalar, yaml_text


@settings(deadline=None)  # the first call imports the parser
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_reads_back_as_it_was_as_key_and_value(text):
    written = f"{scalar(text)}: {scalar(text)}\n"
    assert YAML(typ="safe", pure=True).load(written) == {text: text}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (Numeric(), "{kind: numeric}"),
        (Numeric(unit="m/s, [x]"), '{kind: numeric, unit: "m/s, [x]"}'),
        (Categorical(max_vocabulary_size=12), "{kind: categorical, max_vocabulary_size: 12}"),
        (Time(cycles=("day_of_week",)), "{kind: time, cycles: [day_of_week]}"),
        (Signal(num_samples=8), "{kind: signal, num_samples: 8}"),
    ],
)
def test_a_feature_stands_on_one_line_without_its_defaults(feature, expected):
    assert flow(feature) == expected


def test_a_key_in_a_comment_keeps_its_case(base, propose_for):
    base["wave"] = list(
        np.random.default_rng(0).normal(size=(len(base["label"]), 16)).astype(np.float32)
    )
    proposal = propose_for(base, kind="parquet")
    text = yaml_text(proposal, name="waves", data_path="waves.parquet", schema_path="waves.pbtxt")
    assert (
        "  # Enter the true rate in Hz as sampling_rate_hz; no column is named as such.\n" in text
    )
    assert "Sampling_rate_hz" not in text


@pytest.mark.parametrize(
    ("positive", "expected"), [("1", "1"), ("-1", "-1"), ("0.5", '"0.5"'), ("yes", '"yes"')]
)
def test_a_whole_positive_value_is_a_number_and_any_other_a_text(positive, expected):
    assert positive_scalar(positive) == expected


def test_a_time_that_is_no_feature_is_declared_so_that_pages_show_its_dates(base, propose_for):
    rows = len(base["label"])
    base["at"] = pd.date_range("2024-01-01", periods=rows, freq="s")  # 17 minutes: no daily cycle
    proposal = propose_for(base, kind="parquet", split=["stratified"])
    assert "at" not in proposal.features
    text = yaml_text(proposal, name="n", data_path="d.parquet", schema_path="n.pbtxt")
    assert "\n    at: {type: time}\n" in text
