"""What a person decides on the command line, and which decisions contradict each other."""

import pytest

from common.errors import InputError
from pipeline.onboarding.decisions import Decisions, check_columns, make_decisions


def test_options_may_be_repeated_and_are_named_again_as_they_were_given():
    decisions = make_decisions(
        keep=["a", "b", "a"],
        leave_out=["c"],
        kind=["d=numeric", "x=y=categorical"],
        group=["e", "e"],
    )
    assert decisions.keep == ("a", "b")
    assert decisions.kinds == {"d": "numeric", "x=y": "categorical"}
    assert decisions.kept == {"a", "b", "d", "x=y"}
    assert decisions.strategy == "group"
    assert decisions.flags == [
        "--keep a",
        "--keep b",
        "--leave-out c",
        "--kind d=numeric",
        "--kind x=y=categorical",
        "--group e",
    ]


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ({}, None),
        ({"time": ["t"]}, "time"),
        ({"group": ["g"], "time": ["t"], "split": ["time"]}, "time"),
        ({"split": ["stratified"]}, "stratified"),
    ],
)
def test_a_column_to_split_by_decides_on_the_strategy(options, strategy):
    assert make_decisions(**options).strategy == strategy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"keep": ["a"], "leave_out": ["a"]},
            r"`a` cannot be a feature \(--keep\) and be left out \(--leave-out\)",
        ),
        ({"kind": ["a=numeric"], "leave_out": ["a"]}, r"\(--kind\) and be left out"),
        ({"kind": ["a=numeric", "a=categorical"]}, "--kind makes `a` numeric and categorical"),
        ({"kind": ["a"]}, "--kind 'a' must be COLUMN=KIND"),
        ({"kind": ["a=numerical"]}, r"none of numeric, .*\. Did you mean `numeric`\?"),
        ({"split": ["stratify"]}, r"'stratify' is none of .* Did you mean `stratified`\?"),
        ({"split": ["group", "time"]}, "--split is `group` and `time`. Give one of them"),
        ({"group": ["a", "b"]}, "--group is `a` and `b`. Give one of them"),
        ({"group": ["a"], "time": ["a"]}, "`a` cannot be both the group and the time"),
        ({"group": ["a"], "time": ["b"]}, "--group and --time are two splits"),
        ({"group": ["a"], "split": ["blocks"]}, "--group a contradicts `--split blocks`"),
        ({"time": ["a"], "split": ["group"]}, "--time a contradicts `--split group`"),
        (
            {"group": ["a"], "time": ["b"], "split": ["stratified"]},
            "`--split stratified` contradicts --group and --time",
        ),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make_decisions(**options)


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        (
            Decisions(keep=("presure",)),
            r"--keep: d\.csv has no column `presure`\. Did you mean `Pressure`\?",
        ),
        (Decisions(leave_out=("z",)), "--leave-out: d.csv has no column `z`. Its columns: `Pres"),
        (Decisions(kinds={"y": "numeric"}), "--kind y: `y` is the label"),
        (Decisions(group="y"), "--group y: `y` is the label"),
        (Decisions(time="tim"), r"--time: .* Did you mean `time`\?"),
        (Decisions(keep=("V",)), "has no column `V`"),
    ],
)
def test_unknown_columns_are_named_with_the_file_and_the_nearest(decisions, message):
    with pytest.raises(InputError, match=message):
        check_columns(decisions, ["Pressure", "time"], label="y", file="d.csv", signals=["V"])


def test_a_signal_of_numbered_columns_can_be_left_out_by_its_name():
    check_columns(Decisions(leave_out=("V",)), ["Pressure"], label="y", file="d.csv", signals=["V"])
