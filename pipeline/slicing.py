"""Slices of the examples: by a column, a value, a range, a gap in the table, a trouble."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AllowInfNan, Discriminator, Field, Tag, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

Trouble = Literal[
    "noise",
    "gap",
    "bias",
    "wrong sampling",
    "clipping",
    "blur",
    "underexposure",
    "overexposure",
]
# The kinds of feature that can have each trouble.
TROUBLE_KINDS: Mapping[Trouble, tuple[str, ...]] = {
    "noise": ("signal",),
    "gap": ("signal", "audio"),
    "bias": ("signal", "audio"),
    "wrong sampling": ("signal", "audio"),
    "clipping": ("audio",),
    "blur": ("image",),
    "underexposure": ("image",),
    "overexposure": ("image",),
}
# Names of slice keys that are no columns have a space, which hardly any column has.
_TROUBLE = "recording trouble"
COLUMN_TAG, PART_TAG = "a column", "a part"

Number = Annotated[float, AllowInfNan(False)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class SlicePart:
    """Which examples: by a column, by what it holds, or by a recording trouble.

    Attributes:
        column: A column with one value a row; alone, each of its values is a slice.
        value: The one value of the column.
        at_least: The smallest number of the column that belongs to the slice.
        below: Upper end of the range; this number does not belong to the slice.
        missing: `true` for the rows without a value in the column.
        trouble: Instead of a column, the trouble that a detector finds in any recording: of a
            signal `noise`, `gap`, `bias` or `wrong sampling`; of a picture `blur`, `underexposure`
            or `overexposure`.
    """

    column: Annotated[str, Field(min_length=1)] | None = None
    value: str | int | Number | None = None
    at_least: Number | None = None
    below: Number | None = None
    missing: Literal[True] | None = None
    trouble: Trouble | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> "SlicePart":
        if (self.column is None) == (self.trouble is None):
            raise ValueError("needs exactly one of `column` and `trouble`")
        given = {
            "`value`": self.value is not None,
            "a range (`at_least`, `below`)": self.is_range,
            "`missing`": self.missing is not None,
        }
        named = [name for name, is_given in given.items() if is_given]
        if named and self.column is None:
            raise ValueError(f"{named[0]} is of a column, and a trouble has none")
        if len(named) > 1:
            raise ValueError(f"takes one of {', '.join(given)}, got {' and '.join(named)}")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError(f"at_least must be < below, got {self.at_least} and {self.below}")
        return self

    @property
    def is_range(self) -> bool:
        """Whether it is a range of numbers."""
        return self.at_least is not None or self.below is not None

    @property
    def is_every_value(self) -> bool:
        """Whether each value of the column is a slice of its own."""
        return self.key_value is None

    @property
    def key_name(self) -> str:
        """The name in a slice's key; the column's own where its values are the slices."""
        if self.column is None:
            return _TROUBLE
        if self.is_range:
            return f"{self.column} range"
        return f"{self.column} missing" if self.missing else self.column

    @property
    def key_value(self) -> str | None:
        """The value in a slice's key as text; None where each value of the column has its own."""
        if self.trouble is not None:
            return self.trouble
        if self.missing:
            return "yes"
        if self.is_range:
            return self._range
        return None if self.value is None else value_text(self.value)

    @property
    def words(self) -> str:
        """What the examples share, for people."""
        if self.column is None:
            return f"{_TROUBLE}: {self.trouble}"
        if self.missing:
            return f"{self.column} is missing"
        if self.is_range:
            return f"{self.column} {self._range}"
        return self.column if self.value is None else f"{self.column} = {self.key_value}"

    @property
    def _range(self) -> str:
        low, high = (
            None if edge is None else value_text(edge) for edge in (self.at_least, self.below)
        )
        if low is None:
            return f"below {high}"
        return f"at least {low}" if high is None else f"in [{low}, {high})"

    def to_yaml(self) -> str:
        """Returns the YAML, in one line, that says the same in a config."""
        if self.is_every_value and self.column is not None:
            return _scalar(self.column)
        given = {
            key: getattr(self, key)
            for key in ("column", "value", "at_least", "below", "missing", "trouble")
            if getattr(self, key) is not None
        }
        return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in given.items()) + "}"

    def in_range(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        """Returns which numbers lie in the range; one that is NaN does not.

        Args:
            numbers: `[n]`.
        """
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.below is None else self.below
        # Without an upper edge infinity is in, too.
        below = np.ones(len(numbers), bool) if self.below is None else numbers < high
        return np.asarray((numbers >= low) & below)


Slice = tuple[SlicePart, ...]


def _form(entry: object) -> str:
    return PART_TAG if isinstance(entry, dict | SlicePart) else COLUMN_TAG


# In a YAML the name of a column stands for itself.
SliceEntry = Annotated[
    Annotated[str, Field(min_length=1), Tag(COLUMN_TAG)] | Annotated[SlicePart, Tag(PART_TAG)],
    Discriminator(_form),
]


def make_slice(entries: Iterable[str | SlicePart]) -> Slice:
    """Returns the parts of a slice as a YAML gives them, in an order of their own."""
    parts = (SlicePart(column=each) if isinstance(each, str) else each for each in entries)
    return tuple(sorted(parts, key=lambda part: (part.key_name, part.key_value or "")))


def value_text(value: str | float) -> str:
    """Returns a value as text, the same for 7 and 7.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _scalar(value: object) -> str:
    """A value in YAML; texts in quotes unless nothing could take them for anything else."""
    plain = isinstance(value, str) and re.fullmatch(r"[a-z]\w*[_ ]\w+|[a-z]{4,}", value)
    if isinstance(value, bool):
        return "true"
    if isinstance(value, float):
        return value_text(value)
    if plain and value not in {"true", "false", "null"}:
        return str(value)
    return json.dumps(value, ensure_ascii=False)
