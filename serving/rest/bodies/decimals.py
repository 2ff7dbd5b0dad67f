"""Floating-point numbers as JSON text, formatted like TensorFlow Serving's."""

from array import array as Numbers  # noqa: N812 - a class
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Digits that distinguish all numbers of a type, by the type's letter.
_FULL = {"f": "%.9g", "d": "%.17g"}
_SPECIAL = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN", "-nan": "NaN"}
_MAX_PLAIN_EXPONENT = 21
_MIN_PLAIN_EXPONENT = -6


def decimal_texts(array: NDArray[Any]) -> list[str]:
    """Returns the numbers of a float or double array as texts, flattened.

    Six digits if they denote the same number, else 9 (float) or 17 (double); `.0` is appended to
    whole numbers; `NaN` and `Infinity` are bare.
    """
    flat = array.reshape(-1)
    values: list[float] = flat.tolist()
    texts = ["%g" % value for value in values]  # noqa: UP031 - twice as fast as format()
    letter = flat.dtype.char
    # `array` instead of NumPy: most answers are a few numbers, and each NumPy call is costly.
    same = Numbers(letter, map(float, texts)).tolist()
    if same != values:
        full = _FULL[letter]
        for position, (parsed, value) in enumerate(zip(same, values, strict=True)):
            if parsed != value:
                texts[position] = full % value
    return [text if "." in text or "e" in text else _finished(text) for text in texts]


def _finished(text: str) -> str:
    return _SPECIAL.get(text) or f"{text}.0"


def float_text(value: float) -> str:
    """Returns one number as text: as a float if it fits into one, else as a double."""
    with np.errstate(over="ignore"):
        narrow = np.float32(value)
    fits = bool(np.isfinite(narrow)) or not np.isfinite(value)
    return decimal_texts(np.array([narrow if fits else np.float64(value)]))[0]


def shortest_text(value: float) -> str:
    """Returns one number in the fewest digits that denote it, like RapidJSON's writer."""
    if not np.isfinite(value):
        return _SPECIAL[repr(value)]
    sign, digit_tuple, _ = number = Decimal(repr(value)).normalize().as_tuple()
    exponent = int(number.exponent)
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + exponent
    if not value:
        text = "0.0"
    elif len(digits) <= point <= _MAX_PLAIN_EXPONENT:
        text = digits + "0" * exponent + ".0"
    elif 0 < point <= _MAX_PLAIN_EXPONENT:
        text = f"{digits[:point]}.{digits[point:]}"
    elif _MIN_PLAIN_EXPONENT < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + (f".{digits[1:]}" if digits[1:] else "") + f"e{point - 1}"
    return "-" * sign + text
