import pytest

from common.guards.terminal import escape, escape_lines, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("north\u202e \u2066x\u2069", r"north\u202e \u2066x\u2069"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("\x9b2J", r"\x9b2J"),  # an escape sequence of one byte
        ("half \ud800", r"half \ud800"),
    ],
)
def test_characters_that_a_terminal_obeys_are_shown_as_escapes(text, shown):
    assert visible(text) == shown


def test_text_of_any_language_is_unchanged():
    text = "Größe 5\u00a0µm, 温度, حرارة"
    assert visible(text) == text


def test_a_style_in_a_text_is_no_style():
    assert escape("[red]x[/red]\n") == r"\[red]x\[/red]" + r"\n"


def test_a_newline_within_a_line_begins_no_other():
    assert escape_lines(["a\nb", "c"]) == "a\\nb\nc"
