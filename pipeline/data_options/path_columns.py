"""Options for columns that hold the paths of files."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.features import Audio, Feature, Image, Signal
from pipeline.column_format import Decimal, TimeUnit

FileKind = Literal["image", "audio", "signal"]
Column = Annotated[str, Field(min_length=1)]

_KINDS: Mapping[FileKind, type[Feature]] = {"image": Image, "audio": Audio, "signal": Signal}


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class PathColumn(JsonValue):
    """A column with the path of a file in each row, relative to the folder of its table.

    An empty value means that the row has no such file.

    Attributes:
        holds: What the files hold: an `image`, `audio`, or the samples of a `signal` (CSV, Parquet,
            NPY, NPZ, HDF5 or MAT).
        channels: Columns of the files with the samples; for `signal` only. The feature of a single
            channel has the name of the path's column, those of several are `COLUMN_CHANNEL`.
        time_column: Column of the samples' times, for `signal` only; samples of another rate than
            the feature's `sampling_rate_hz` are then resampled to it.
        time_unit: Unit of times that are numbers; by default they are seconds. For `signal` only.
        decimal: Decimal mark of the numbers in files of text, for `signal` only.
    """

    holds: FileKind
    channels: tuple[Column, ...] = ()
    time_column: Column | None = None
    time_unit: TimeUnit | None = None
    decimal: Decimal = "."

    @model_validator(mode="after")
    def _consistent(self) -> "PathColumn":
        if self.holds == "signal" and not self.channels:
            raise ValueError("needs `channels`, the columns of the files with the samples")
        given = (self.channels, self.time_column, self.time_unit, self.decimal != ".")
        if self.holds != "signal" and any(given):
            raise ValueError(f"`channels`, times and numbers do not go with holds `{self.holds}`")
        if self.time_unit is not None and self.time_column is None:
            raise ValueError("`time_unit` needs `time_column`, the column with the times")
        if len(set(self.channels)) < len(self.channels) or self.time_column in self.channels:
            raise ValueError("`channels` names a column twice, or the column of the times")
        return self

    def columns(self, name: str) -> dict[str, str]:
        """Returns the channel by column that replaces the paths; no channel for other kinds.

        >>> PathColumn(holds="signal", channels=("x", "y")).columns("trace")
        {'trace_x': 'x', 'trace_y': 'y'}

        Args:
            name: The column with the paths.
        """
        if self.holds != "signal":
            return {name: ""}
        if len(self.channels) == 1:
            return {name: self.channels[0]}
        return {f"{name}_{channel}": channel for channel in self.channels}


def check_path_columns(
    path_columns: Mapping[str, PathColumn], features: Mapping[str, Feature], label: str
) -> None:
    """Checks that what the files hold is a feature of their kind.

    Raises:
        ValueError: It is none, or of another kind; or the label is a column of paths.
    """
    for name, option in path_columns.items():
        if name == label:
            raise ValueError(f"data.path_columns.{name} is the label; name its column elsewhere")
        for column in option.columns(name):
            feature = features.get(column)
            if feature is None:
                raise ValueError(
                    f"data.path_columns.{name} needs features.{column} of kind `{option.holds}`; "
                    "add it, or remove the column of paths"
                )
            if not isinstance(feature, _KINDS[option.holds]):
                raise ValueError(
                    f"features.{column} is `{feature.kind}`, and data.path_columns.{name} holds "
                    f"files of kind `{option.holds}`; make them agree"
                )
