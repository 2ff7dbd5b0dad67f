"""The tables of flags in docs/serving.md agree with the code."""

import pytest

from scripts.serving_flags import PAGE, insert_tables, make_tables


def test_the_page_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    is_current = page == insert_tables(page, make_tables())
    assert is_current, "docs/serving.md is out of date; run `make config-docs`"


def test_each_flag_has_a_row_with_its_default_and_its_effect():
    tables = make_tables()
    assert "| 48 flags of TensorFlow Serving | Default | Here |" in tables
    assert "| `--port` | `8500` | Port of gRPC;" in tables
    assert "| `--ssl_config_file` | empty | Text-format SSLConfig" in tables
    assert "| `--enable_profiler` | `true` | *No effect.* The profiler's gRPC service" in tables
    accepted = "*Accepted without effect: 0; refused: other values.* Models run on the CPU."
    assert f"| `--per_process_gpu_memory_fraction` | `0.0` | {accepted} |" in tables
    theirs, own = tables.split("| Own flags | Default | Here |")
    assert "`--rest_lenient`" in own
    assert "`--rest_lenient`" not in theirs


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match=r"serving\.md must contain the lines"):
        insert_tables("# Serving\n", "")
