"""What is said beside a verdict."""

from pathlib import Path

import pytest

from models.features import Numeric
from models.probabilities.cost import Cost
from pipeline.components.fact import Fact
from pipeline.config import Bars, Config, Data, Gate, Label
from pipeline.running.hints import find_hints
from pipeline.running.summary import RunSummary


def _config(folder: Path, **changes) -> Config:
    (folder / "x.pbtxt").write_text(
        "\n".join(f'feature {{ name: "c{n}" type: FLOAT }}' for n in range(9))
        + 'feature { name: "y" type: INT } feature { name: "maker" type: BYTES }'
    )
    options = {"features": {"c0": Numeric()}, "schema": "x.pbtxt"} | changes
    return Config(
        name="x", label=Label(column="y"), data=Data(path="x.csv"), folder=folder, **options
    )


def _summary(folder: Path, verdict: str, *, train: int = 500, test: int = 100) -> RunSummary:
    summary = RunSummary(run_id="r", use_case="x", run_folder=folder, state="complete")
    summary.facts["ModelGate"] = Fact(values={"verdict": verdict})
    counts = {"num_positives_train": train, "num_positives_test": test}
    summary.facts["ArrowExampleGen"] = Fact(values=counts)
    return summary


def test_a_refusal_names_few_faults_and_excluded_columns(tmp_path):
    hints = find_hints(_config(tmp_path), _summary(tmp_path, "REJECTED", train=12, test=3))
    assert [hint.split(".")[0] for hint in hints] == [
        "The model learned from 12 positive rows",
        "The test split has 3 positive rows, so its intervals are wide",
        "8 of 9 columns of numbers are no features (`c1`, `c2`, `c3`, `c4`, `c5` and 3 more)",
    ]


def test_a_refusal_of_rich_data_has_no_hint(tmp_path):
    features = {f"c{n}": Numeric() for n in range(9)}
    hints = find_hints(_config(tmp_path, features=features), _summary(tmp_path, "INCONCLUSIVE"))
    assert hints == []


@pytest.mark.parametrize("verdict", ["BLESSED", "REJECTED"])
def test_every_run_asks_about_a_feature_that_separates_the_classes(tmp_path, verdict):
    summary = _summary(tmp_path, verdict)
    summary.facts["DataReport"] = Fact(values={"separating_features": {"c0": 0.0006}})
    hint = find_hints(_config(tmp_path), summary)[0]
    assert hint.startswith("`c0` alone separates the classes (ROC-AUC 0.9994).")
    assert "`--leave-out c0`" in hint


def test_a_blessing_without_a_bar_of_the_person_says_so(tmp_path):
    [hint] = find_hints(_config(tmp_path), _summary(tmp_path, "BLESSED"))
    assert hint.startswith("No bar of yours was checked")


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": Gate(bars=Bars(recall=0.8))},
        {"cost": Cost(missed_fault=100, false_alarm=1)},
    ],
)
def test_a_bar_or_a_cost_is_enough(tmp_path, changes):
    assert find_hints(_config(tmp_path, **changes), _summary(tmp_path, "BLESSED")) == []
