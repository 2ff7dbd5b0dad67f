"""Base of configuration values: pydantic settings, and transport as JSON text."""

from typing import Self

from pydantic import ConfigDict, TypeAdapter

STRICT_KEYS = ConfigDict(extra="forbid")


class JsonValue:
    """Base of dataclasses that are written as JSON text and read back equal.

    The text is equal for equal values, so that it can be part of a cache key.
    """

    def to_json(self) -> str:
        """Returns this value as one line of JSON."""
        return TypeAdapter(type(self)).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the value that `to_json` wrote.

        Raises:
            pydantic.ValidationError: The text is not such a value.
        """
        return TypeAdapter(cls).validate_json(text)
