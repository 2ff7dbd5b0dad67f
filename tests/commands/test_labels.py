"""What `faultline labels` and `faultline span` print."""

import json

import pyarrow as pa
import pytest

from commands.labels import LabelOptions, SpanOptions, keep_labels, make_span
from common.errors import InputError
from common.output_folder import OutputFolder
from production.collection.labels import label_history
from tests.production.collection.recorded import batch_of, record, write_closed

CONFIG = """
name: pump
label: {column: failed}
data: {path: "data/{SPAN}.csv"}
features: {pressure: {kind: numeric}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A use case with one span, 40 alarms and 400 other answers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pump.yaml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.csv").write_text("pressure,failed\n1.0,0\n")
    rows = [record(f"r{n}", pressure=float(n), decision=int(n < 40)) for n in range(440)]
    folder = OutputFolder(tmp_path / "output")
    write_closed(folder.collected("pump"), [batch_of(rows, {"pressure": pa.float32()})])
    return tmp_path


def _label(project, lines, *, as_json=False):
    (project / "labels.csv").write_text("id,state\n" + "".join(f"{line}\n" for line in lines))
    options = LabelOptions(
        data="labels.csv",
        id_column="id",
        label_column="state",
        row_column=None,
        others=(),
        config_path=project / "pump.yaml",
        model=None,
        output=project / "output",
        as_json=as_json,
    )
    return keep_labels(options)


def _span(project, *, as_json=False):
    options = SpanOptions(
        config_path=project / "pump.yaml",
        span=None,
        model=None,
        output=project / "output",
        as_json=as_json,
    )
    return make_span(options)


def _words(text):
    return " ".join(text.split())


def test_labels_says_what_was_new_corrected_and_unknown(project, capsys):
    assert _label(project, ["r0,1", "r1,0"]) == 0
    assert "2 labels of requests to pump: 2 new, 0 corrected, 0 known" in capsys.readouterr().out
    assert _label(project, ["r0,0", "r1,0", "r2,", "x7,1"]) == 0
    text = _words(capsys.readouterr().out)
    assert "3 labels of requests to pump: 1 new, 1 corrected, 1 known already" in text
    assert "1 row of labels.csv without a label" in text
    assert "1 label of requests or rows that are not recorded (`x7`): kept" in text


@pytest.mark.parametrize(
    ("lines", "mark"), [(["r0,1", "x7,1"], "✓ 2"), (["x7,1"], "! 1"), (["r0,"], "! 0"), ([], "! 0")]
)
def test_a_tick_is_printed_only_if_a_recorded_request_got_a_label(project, capsys, lines, mark):
    assert _label(project, lines) == 0
    assert capsys.readouterr().out.startswith(f"{mark} label")


@pytest.mark.parametrize("word", ["broken", "2"])
def test_a_label_without_a_meaning_is_refused(project, word):
    _label(project, ["r0,1"])
    with pytest.raises(InputError, match=f"row 2, .*`{word}` found, expected .*`1`, `0`"):
        _label(project, ["r1,0.0", f"r0,{word}"])
    assert label_history(OutputFolder(project / "output").collected("pump")).num_rows == 1


def test_span_says_what_was_left_out_and_what_comes_next(project, capsys):
    _label(project, ["r0,1", "r1,0", "x7,1"])
    capsys.readouterr()
    assert _span(project) == 0
    text = _words(capsys.readouterr().out)
    assert "span 2: 2 rows, 1 positive, of requests to pump" in text
    assert "left out: 1 label not among the recorded requests" in text
    assert f"faultline run --config {project / 'pump.yaml'}" in text


@pytest.mark.parametrize(("numbers", "is_told"), [(range(40), True), (range(440), False)])
def test_span_warns_if_alarms_alone_have_labels(project, capsys, numbers, is_told):
    _label(project, [f"r{n},{n % 2}" for n in numbers])
    capsys.readouterr()
    _span(project)
    warning = "40 of 40 alarms and 0 of 400 other rows have a label"
    assert (warning in _words(capsys.readouterr().out)) == is_told


def test_json_goes_to_standard_output_alone(project, capsys):
    _label(project, ["r0,1"], as_json=True)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["num_new"] == 1
    assert "1 new" in captured.err
    _span(project, as_json=True)
    assert json.loads(capsys.readouterr().out)["num_rows"] == 1


def test_labels_of_copies_alone_do_not_count_as_labelled_answers(project, capsys):
    copies = [record(f"m{n}", "candidate", pressure=1.0, decision=1) for n in range(41)]
    collected = OutputFolder(project / "output").collected("pump")
    write_closed(collected, [batch_of(copies, {"pressure": pa.float32()})], "candidate-0")
    _label(project, [f"m{n},1" for n in range(41)] + [f"r{n},1" for n in range(40)])
    capsys.readouterr()
    assert _span(project) == 0
    text = _words(capsys.readouterr().out)
    assert "40 of 40 alarms and 0 of 400 other rows have a label" in text
