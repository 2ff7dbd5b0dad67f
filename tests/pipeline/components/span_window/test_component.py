import json
from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Examples

from common.errors import InputError
from pipeline.components.span_window.component import SpanWindow


def _span(folder: Path, number: int, **counts: int) -> Examples:
    for split in ("train", "test"):
        (folder / f"Split-{split}").mkdir(parents=True)
        path = folder / f"Split-{split}" / "data-00000-of-00001.gz"
        path.write_text(f"{split} of {number}")
    examples = Examples()
    examples.uri, examples.split_names = str(folder), '["train", "test"]'
    examples.mlmd_artifact.custom_properties["span"].int_value = number
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("input_fingerprint", f"files of {number}")
    examples.set_string_custom_property("data_digest", f"digest of {number}")
    for key, count in ({"num_positives_test": 5} | counts).items():
        examples.set_int_custom_property(key, count)
    return examples


def _window(folder: Path, *spans: Examples) -> Examples:
    examples = Examples()
    examples.uri = str(folder)
    SpanWindow.EXECUTOR_SPEC.executor_class().Do(
        {"spans": list(spans)}, {"examples": [examples]}, {"code_digest": ""}
    )
    return examples


def test_files_lie_in_the_order_of_the_spans_and_take_no_room(tmp_path):
    spans = [_span(tmp_path / name, number) for name, number in (("b", 9), ("a", 10))]
    window = _window(tmp_path / "window", *spans)
    files = sorted(Path(window.uri).glob("Split-train/*"))
    assert [file.read_text() for file in files] == ["train of 9", "train of 10"]
    assert files[0].samefile(tmp_path / "b" / "Split-train" / "data-00000-of-00001.gz")


def test_counts_are_sums_and_formats_and_the_newest_span_are_kept(tmp_path):
    window = _window(
        tmp_path / "window",
        _span(tmp_path / "a", 9, num_rows=3, num_positives_test=2),
        _span(tmp_path / "b", 10, num_rows=4, num_positives_test=3),
    )
    assert window.get_int_custom_property("num_rows") == 7
    assert window.get_int_custom_property("num_positives_test") == 5
    assert json.loads(window.get_string_custom_property("spans")) == [9, 10]
    assert window.get_int_custom_property("span") == 10
    assert window.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert window.split_names == '["train", "test"]'
    # Else a window would be taken for its newest span.
    assert not window.has_custom_property("input_fingerprint")


def test_four_positives_in_the_test_split_of_all_spans_are_too_few(tmp_path):
    spans = [_span(tmp_path / str(n), n, num_positives_test=2) for n in (9, 10)]
    with pytest.raises(
        InputError, match="test of the window of 2 spans has 4 positives, at least 5"
    ):
        _window(tmp_path / "window", *spans)
