"""The table of rows: every row has a test, and every test names a row."""

import pytest

from tests.serving.contract.rows import DEVIATIONS, ROWS, UNTESTABLE

pytestmark = pytest.mark.e2e


def test_every_row_of_the_contract_has_a_test(covered, capsys):
    with capsys.disabled():
        print(f"\n{len(ROWS) + len(UNTESTABLE)} rows, {len(covered)} tested.")  # noqa: T201
        for title, table in (("Not testable", UNTESTABLE), ("Not followed", DEVIATIONS)):
            print(f"{title}:")  # noqa: T201
            for row, reason in table.items():
                print(f"  {row}: {reason}")  # noqa: T201
    assert not set(ROWS) - set(covered), "rows without a test"
    assert not set(covered) - set(ROWS), "tests of rows that are not in the table"


def test_no_row_is_named_twice_or_both_tested_and_not():
    assert len(set(ROWS)) == len(ROWS)
    assert not set(ROWS) & set(UNTESTABLE)
    assert set(DEVIATIONS) <= set(ROWS)
