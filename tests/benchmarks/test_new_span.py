import pytest

from benchmarks.new_span import compare, write_span


def test_spans_follow_one_another_and_begin_again_at_the_end(tmp_path):
    source = tmp_path / "trips.csv"
    source.write_text("a\n0\n1\n2\n")
    for span in (1, 2):
        write_span(source, tmp_path, span, 2)
    assert (tmp_path / "span-001" / "trips.csv").read_text() == "a\n0\n1\n"
    assert (tmp_path / "span-002" / "trips.csv").read_text() == "a\n2\n0\n"


def _summary(duration_s, steps, spans=()):
    return {"duration_s": duration_s, "steps": steps, "spans": list(spans)}


def test_the_ratio_is_to_the_span_alone_with_the_windows_training():
    window = _summary(
        30.0,
        [
            {"name": "ArrowExampleGen", "duration_s": 1.0, "num_rows": 100},
            {"name": "Transform", "duration_s": 5.0, "num_rows_analysed": 75},
            {"name": "SpanWindow", "duration_s": 0.1, "num_rows": 3_100},
            {"name": "Trainer", "duration_s": 12.0},
        ],
        [{"span": 7, "num_rows": 10}],
    )
    alone = _summary(15.0, [{"name": "Trainer", "duration_s": 2.0}])
    figures = compare(window, alone)
    # 30 s against 15 - 2 s of the span alone and 12 s of training on the window.
    assert figures["ratio"] == pytest.approx(30 / 25)
    assert (figures["rows_read"], figures["rows_of_train_analysed"]) == (110, 75)
    assert figures["rows_of_window"] == 3_100
