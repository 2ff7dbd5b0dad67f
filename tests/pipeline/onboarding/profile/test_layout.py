"""Layout of new files whose rows are examples."""

from pipeline.column_format import CsvLayout
from pipeline.onboarding.profile.layout import find_layout

ROWS = "".join(f"{number},{number}.5,{number % 2}\n" for number in range(9))


def layout(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return find_layout([str(path)], header=None)


def test_lines_before_a_table_of_examples_are_skipped(tmp_path):
    found = layout(tmp_path, f"Plant;7\n\nnr,p,failed\n-,bar,-\n{ROWS}")
    assert found.layout == CsvLayout(
        delimiter=",", skip_rows=2, units_row=True, units=(("p", "bar"),)
    )
    found = layout(tmp_path, f"# Plant 7\n# nr,p,failed\n# -,bar,-\n{ROWS}")
    assert found.layout == CsvLayout(delimiter=",", skip_rows=3, header=("nr", "p", "failed"))
    assert found.units == {"p": "bar"}


def test_a_mark_in_the_first_line_is_part_of_a_name(tmp_path):
    assert layout(tmp_path, f"# of doors,p,failed\n{ROWS}").layout == CsvLayout(delimiter=",")


def test_a_row_of_units_may_have_one_that_begins_with_a_digit(tmp_path):
    found = layout(tmp_path, f"speed,p,failed\n1/min,bar,-\n{ROWS}")
    assert found.units == {"speed": "1/min", "p": "bar"}
    assert not layout(tmp_path, f"share,p,failed\n1/5,bar,-\n{ROWS}").layout.units_row
