"""Text for a terminal that others wrote: clients, files, other systems."""

import unicodedata
from collections.abc import Iterable

from rich.markup import escape as escape_markup

# Control and format characters (among them marks of direction), half characters, ends of lines.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""Returns a text with its control characters, marks of direction and newlines as escapes.

    A terminal then neither obeys the text nor shows it as more than one line.

    >>> visible("maker\x1b[2J\nWhat to do: nothing")
    'maker\\x1b[2J\\nWhat to do: nothing'
    >>> visible("n\u00f6rdlich \u202e")
    'nördlich \\u202e'
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def escape(text: str) -> str:
    r"""Returns a text of one line for rich, which shows it as it is and `visible`.

    >>> escape("[red]\n")
    '\\[red]\\n'
    """
    return escape_markup(visible(text))


def escape_lines(lines: Iterable[str]) -> str:
    """Returns lines for rich; a newline within one of them begins no other."""
    return "\n".join(map(escape, lines))


def _visible(char: str) -> str:
    is_unsafe = unicodedata.category(char) in _UNSAFE
    return char.encode("unicode_escape").decode() if is_unsafe else char
