"""A Griffe extension: examples in docstrings become blocks of code on the site.

Markdown would take the `>>>` of an example for a quotation.
"""

from typing import Any

import griffe


class DoctestBlocks(griffe.Extension):  # type: ignore[misc]
    """Puts fences around the examples of each docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Returns a docstring with fences around its examples."""
    return "\n\n".join(_fenced(paragraph) for paragraph in text.split("\n\n"))


def _fenced(paragraph: str) -> str:
    lines = paragraph.split("\n")
    if not lines[0].startswith(">>>"):
        return paragraph
    shown = [line.partition("  # doctest:")[0] for line in lines]
    return "\n".join(["```pycon", *shown, "```"])
