"""Each decision of a person: what it changes, what the YAML says, and what it refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.errors import InputError
from models.features import Bucketized, Categorical, Numeric, Signal, Time
from pipeline.config import Label
from pipeline.config_loading import load_config
from pipeline.onboarding import initialise, make_decisions
from pipeline.onboarding.yaml_text import yaml_text

ROWS = 1_000
RNG = np.random.default_rng(2)


def _yaml(proposal) -> str:
    return yaml_text(proposal, name="n", data_path="d.csv", schema_path="n.pbtxt")


def test_keep_uses_a_copy_of_the_label_an_identifier_and_a_sibling(base, propose_for):
    base |= {
        "flag": base["label"],
        "ticket_id": RNG.permutation(90_000)[:ROWS],
        "label_2": RNG.integers(0, 2, ROWS),
    }
    assert list(propose_for(base).features) == ["x"]
    proposal = propose_for(base, keep=["flag", "ticket_id", "label_2"])
    assert set(proposal.features) == {"x", "flag", "ticket_id", "label_2"}
    assert "you decided with --keep flag" in proposal.features["flag"][1]
    assert "`--keep flag`" in _yaml(proposal).split("name:")[0]


def test_keep_of_a_useless_column_is_refused_with_the_reason(base, propose_for):
    with pytest.raises(InputError, match=r"--keep site: .*: the same value in every row"):
        propose_for(base | {"site": ["Geneva"] * ROWS}, keep=["site"])


def test_leave_out_drops_a_column_and_says_whose_decision_it_was(base, propose_for):
    base["y"] = RNG.normal(size=ROWS)
    proposal = propose_for(base, leave_out=["y"])
    assert list(proposal.features) == ["x"]
    assert "- y: you decided with --leave-out y." in _yaml(proposal)


def test_leave_out_drops_a_signal_by_its_name_or_shortens_it_by_a_column(base, propose_for):
    wide = {f"V{n}": np.sin(n / 5) + 0.1 * RNG.normal(size=ROWS) for n in range(24)}
    assert list(propose_for(base | wide, leave_out=["V"]).features) == ["x"]
    proposal = propose_for(base | wide, leave_out=["V2"])
    assert proposal.features["V"][0] == Signal(num_samples=21)  # V3 to V23


@pytest.mark.parametrize(
    ("name", "values", "strategy"),
    [
        ("machine_id", [f"M{n}" for n in RNG.integers(0, 50, ROWS)], "group"),
        ("when", pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str), "time"),
        ("ts", 1_700_000_000 + 3_600 * np.arange(ROWS), "time"),
    ],
)
def test_leave_out_of_a_group_or_a_time_does_not_change_the_split(
    base, propose_for, name, values, strategy
):
    split = propose_for(base | {name: values}).split.split
    assert (split.strategy, split.column) == (strategy, name)
    proposal = propose_for(base | {name: values}, leave_out=[name])
    assert proposal.split.split == split
    assert proposal.left_out[name] == f"you decided with --leave-out {name}; the split uses it"
    assert name not in proposal.features


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("fs", np.repeat(2_000.0, ROWS), "the signals' sampling rate, median 2000 Hz"),
        ("t_s", [np.arange(32) / 2_000.0] * ROWS, "the time of each sample, 0.0005 apart"),
    ],
)
def test_leave_out_of_the_sampling_rate_does_not_change_the_signals(
    base, propose_for, name, values, reason
):
    base |= {"wave": list(RNG.normal(size=(ROWS, 32))), name: values}
    signal, _ = propose_for(base, kind="parquet").features["wave"]
    assert signal.sampling_rate_hz == pytest.approx(2_000)
    proposal = propose_for(base, kind="parquet", leave_out=[name])
    assert proposal.features["wave"][0] == signal
    assert proposal.left_out == {name: f"you decided with --leave-out {name}; {reason}"}


def test_leave_out_of_a_wrong_sampling_rate_leaves_the_times_of_the_samples(base, propose_for):
    times = [np.arange(32) / 2_000.0] * ROWS
    base |= {"wave": list(RNG.normal(size=(ROWS, 32))), "t_s": times, "fs": [500.0] * ROWS}
    with pytest.raises(InputError, match="The sampling rate in `fs` is 500 Hz, but"):
        propose_for(base, kind="parquet")
    signal, _ = propose_for(base, kind="parquet", leave_out=["fs"]).features["wave"]
    assert signal.sampling_rate_hz == pytest.approx(2_000)


def test_leave_out_of_an_identifier_still_drops_the_copies_that_it_shows(base, propose_for):
    base["ticket_id"] = RNG.permutation(90_000)[:ROWS]
    copied = {name: np.concatenate([values, values[:20]]) for name, values in base.items()}
    assert propose_for(copied).drop_duplicates
    assert propose_for(copied, leave_out=["ticket_id"]).drop_duplicates


def test_a_group_that_is_kept_as_a_feature_is_noted(base, propose_for):
    base["machine_id"] = RNG.integers(0, 40, ROWS)
    proposal = propose_for(base, keep=["machine_id"])
    assert proposal.split.split.strategy == "stratified"
    assert any("add `--group machine_id`" in note for note in proposal.notes)
    decided = propose_for(base, keep=["machine_id"], split=["stratified"])
    assert not any("--group" in note for note in decided.notes)


def test_a_time_that_is_kept_as_a_number_is_noted(base, propose_for):
    base["ts"] = 1_700_000_000 + 3_600 * np.arange(ROWS)
    proposal = propose_for(base, kinds=["ts=numeric"])
    assert proposal.split.split.strategy == "stratified"
    assert any("could without `--kind ts=numeric`" in note for note in proposal.notes)
    decided = propose_for(base, kinds=["ts=numeric", "x=numeric"], split=["stratified"])
    assert not any("--kind" in note for note in decided.notes)


def test_leave_out_of_a_column_that_nothing_can_read_goes_on(tmp_path):
    share = [f"{n / 4} %" if n % 2 else n / 400 for n in range(ROWS)]
    label = [int(n % 20 == 0) for n in range(ROWS)]
    frame = pd.DataFrame({"x": RNG.normal(size=ROWS), "share": share, "label": label})
    frame.to_csv(tmp_path / "d.csv", index=False)
    options: dict[str, Any] = {"label": "label", "positive": None, "name": "d"}
    with pytest.raises(InputError, match=r"a per cent sign .* with --leave-out share\."):
        initialise(str(tmp_path / "d.csv"), **options, project_dir=tmp_path, force=False)
    report = initialise(
        str(tmp_path / "d.csv"),
        **options,
        project_dir=tmp_path,
        force=False,
        decisions=make_decisions(leave_out=["share"]),
    )
    assert list(report.proposal.features) == ["x"]


def test_group_makes_no_feature_of_another_group(base, propose_for):
    base["ward"] = RNG.integers(0, 60, ROWS)
    base["machine_id"] = [f"M{n}" for n in RNG.integers(0, 80, ROWS)]
    base["slot_id"] = [f"{ward}/{n % 2}" for n, ward in enumerate(base["ward"])]
    proposal = propose_for(base, group=["ward"])
    assert (proposal.split.split.strategy, proposal.split.split.column) == ("group", "ward")
    assert "it identifies groups" in proposal.left_out["machine_id"]
    assert "occurs with only one `ward`" in proposal.left_out["slot_id"]
    assert "machine_id" in propose_for(base, group=["ward"], keep=["machine_id"]).features


def test_group_splits_by_a_column_that_nothing_marks_as_one(base, propose_for):
    base["ward"] = RNG.integers(0, 60, ROWS)
    assert propose_for(base).split.split.strategy == "stratified"
    proposal = propose_for(base, group=["ward"])
    assert (proposal.split.split.strategy, proposal.split.split.column) == ("group", "ward")
    assert "you decided with --group" in proposal.split.reason
    assert "ward" not in proposal.features


def test_group_that_no_cut_can_split_is_refused(base, propose_for):
    base["half"] = np.where(base["label"], 0, RNG.integers(1, 30, ROWS))
    with pytest.raises(InputError, match="--split group is not possible: group by `half`: no cut"):
        propose_for(base, group=["half"])


def test_time_splits_by_numbers_that_run_from_a_start_of_their_own(base, propose_for):
    base["pulses"] = RNG.permutation(ROWS) * 7.5
    proposal = propose_for(base, time=["pulses"])
    assert (proposal.split.split.strategy, proposal.split.split.column) == ("time", "pulses")
    assert proposal.formats["pulses"].elapsed
    with pytest.raises(InputError, match="`maker` has neither times nor numbers"):
        propose_for(base | {"maker": ["a", "b"] * (ROWS // 2)}, time=["maker"])


def test_split_overrules_the_strictest_strategy(base, propose_for):
    base["machine_id"] = RNG.integers(0, 50, ROWS)
    assert propose_for(base).split.split.strategy == "group"
    choice = propose_for(base, split=["stratified"]).split
    assert choice.split.strategy == "stratified"
    assert choice.reason.startswith("you decided")
    assert propose_for(base, split=["blocks"]).split.split.strategy == "blocks"


def test_split_without_a_column_to_split_by_names_the_option(base, propose_for):
    with pytest.raises(InputError, match="Name one with --time COLUMN"):
        propose_for(base, split=["time"])


def test_kind_decides_on_the_feature(base, propose_for):
    at = pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str)
    base |= {"mode": RNG.integers(1, 5, ROWS), "level": RNG.normal(size=ROWS), "at": at}
    proposal = propose_for(base, kinds=["mode=numeric", "level=bucketized", "at=time"])
    kinds = {name: type(feature) for name, (feature, _) in proposal.features.items()}
    assert kinds == {"x": Numeric, "mode": Numeric, "level": Bucketized, "at": Time}
    assert proposal.formats["mode"].type == "number"
    coded = propose_for(base, kinds=["mode=categorical"])
    assert isinstance(coded.features["mode"][0], Categorical)
    assert coded.formats["mode"].type == "code"


def test_kind_that_does_not_fit_the_values_is_refused(base, propose_for):
    with pytest.raises(InputError, match="--kind x=categorical needs texts or whole numbers"):
        propose_for(base, kinds=["x=categorical"])
    with pytest.raises(InputError, match="--kind x=time needs times, and `x` has numbers"):
        propose_for(base, kinds=["x=time"])
    maker = ["a", "b"] * (ROWS // 2)
    with pytest.raises(InputError, match="needs numbers, and `maker` has texts"):
        propose_for(base | {"maker": maker}, kinds=["maker=numeric"])


def test_a_strong_measurement_is_kept_with_a_question(base, propose_for):
    # Class means six deviations apart: ROC-AUC Phi(6 / sqrt(2)) = 0.99999.
    base["strong"] = 6 * base["label"] + RNG.normal(size=ROWS)
    proposal = propose_for(base)
    assert "strong" in proposal.features
    [note] = [note for note in proposal.notes if "strong" in note]
    assert note.startswith("Is `strong` known before the fault?")
    assert "`--leave-out strong`" in note


def test_the_longest_run_of_numbers_is_the_signal(base, propose_for):
    names = [*range(24), 85, 70, 50]
    wide = {f"T{n}": 20 + np.sin(n / 5) + 0.1 * RNG.normal(size=ROWS) for n in names}
    proposal = propose_for(base | wide)
    assert proposal.features["T"][0] == Signal(num_samples=24)
    assert proposal.wide_signals["T"].last == "T23"
    assert {"T85", "T70", "T50"} <= set(proposal.features)


def test_few_positives_in_test_are_a_warning_and_a_proposal(base, propose_for):
    # A tenth of 100 positives: 10, not below ten, but below fifty.
    text = _yaml(propose_for(base))
    assert "INCONCLUSIVE" not in text
    assert "\n# evaluation:\n#   cross_fit: 5\n" in text
    base["label"] = (np.arange(ROWS) % 20 == 0).astype(int)  # 50: 5 in test
    text = " ".join(_yaml(propose_for(base)).replace("#", " ").split())
    assert "`test` will have about 5 positive rows" in text
    assert "will often be INCONCLUSIVE" in text
    many = {name: np.tile(values, 6) for name, values in base.items()}
    many["label"] = np.arange(6 * ROWS) % 10 == 0  # 600: 60 in test
    assert "cross_fit" not in _yaml(propose_for(many))


@pytest.fixture
def csv(base, tmp_path, monkeypatch):
    """A data file in the working folder."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(base | {"y": RNG.normal(size=ROWS)}).to_csv("d.csv", index=False)
    return tmp_path


def _init(*options: str):
    return CliRunner().invoke(main, ["init", "d.csv", "--label", "label", *options])


def test_a_dry_run_prints_the_files_and_writes_nothing(csv):
    done = _init("--dry-run", "--leave-out", "y")
    assert done.exit_code == 0, done.output
    assert "Would write configs/d.yaml:" in done.output
    assert "strategy: stratified" in done.output
    assert "feature {" in done.output
    assert "Your decisions: `--leave-out y`." in done.output
    assert done.output.endswith("Dry run: nothing was written.\n")
    assert [path.name for path in csv.iterdir()] == ["d.csv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "yy"], "--keep: d.csv has no column `yy`. Did you mean `y`?"),
        (["--keep", "y", "--leave-out", "y"], "cannot be a feature (--keep) and be left out"),
        (["--group", "label"], "--group label: `label` is the label"),
        (["--positive", "2"], "never has the value `2`"),
        (["--positive", "1", "--positive", "0"], "--positive is `1` and `0`. Give one of them."),
        (["--label", "y"], "--label is `label` and `y`. Give one of them."),
    ],
)
def test_a_wrong_decision_ends_with_2_and_writes_nothing(csv, options, message):
    done = _init(*options)
    assert done.exit_code == 2
    assert message in done.output
    assert [path.name for path in csv.iterdir()] == ["d.csv"]


def test_negative_makes_faults_of_all_other_values(tmp_path):
    data = tmp_path / "parts.csv"
    kinds = np.repeat(["good", "crack", "hole"], [400, 60, 40])
    frame = pd.DataFrame({"x": RNG.normal(size=500), "y": RNG.normal(size=500), "state": kinds})
    frame.sample(frac=1, random_state=0).to_csv(data, index=False)
    options = {"label": "state", "name": None, "project_dir": tmp_path, "force": False}
    report = initialise(str(data), positive=None, negative="GOOD", **options)
    assert report.proposal.choice.num_positive == 100
    label = load_config(report.config_path).label
    assert label == Label(column="state", negative="good", values=("crack", "good", "hole"))
    with pytest.raises(InputError, match=r"--positive crack and --negative good: give one"):
        initialise(str(data), positive="crack", negative="good", **options)
