"""Each program and command of the pages is executed somewhere, or it is said why not."""

import pytest

from tests.docs.page_blocks import (
    ELSEWHERE,
    EXECUTED,
    NOT_EXECUTED,
    PROJECT,
    blocks,
    entries,
)

BLOCKS = list(blocks("sh", "bash", "python"))


@pytest.mark.parametrize(("page", "text"), BLOCKS)
def test_a_block_is_in_one_of_the_tables(page, text):
    assert len(entries(page, text)) == 1, (
        f"{page}: say in tests/docs/page_blocks.py where this block is executed, or why it is not: "
        f"{text[:80]!r}"
    )


def test_no_entry_is_of_a_block_that_is_gone():
    used = {entry for page, text in BLOCKS for entry in entries(page, text)}
    assert {*EXECUTED, *ELSEWHERE, *NOT_EXECUTED} - used == set()


@pytest.mark.parametrize("path", sorted(set(ELSEWHERE.values())))
def test_the_tests_that_are_named_are_there(path):
    assert (PROJECT / path).is_file()
