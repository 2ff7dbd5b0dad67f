"""Figures that a notebook hands on: scrapbook reads them from the executed notebook."""

import math

from common.errors import InputError


def record(**figures: float | int | str) -> None:
    """Records figures by name in the executed notebook.

    Raises:
        InputError: A figure is not finite, which JSON cannot represent.
    """
    import scrapbook

    for name, value in figures.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"The figure `{name}` is {value}, which a notebook cannot record.")
        scrapbook.glue(name, value)
