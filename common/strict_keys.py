"""The pydantic settings of every configuration value."""

from pydantic import ConfigDict

STRICT_KEYS = ConfigDict(extra="forbid")
