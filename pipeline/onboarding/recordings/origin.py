"""Origin of a profiled table: an ordinary table, or raw recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.features import Feature
from pipeline.data_options.path_columns import PathColumn
from pipeline.onboarding.profile.table import Column
from pipeline.recording_options import Recordings

# Recordings of two machines or speakers are groups already: only what names them is one.
_MIN_GROUPS = 2


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Raw recordings that a table was assembled from.

    Attributes:
        recordings: The options of the assembly; None for an ordinary table.
        data: Further keys of `data`.
        features: Features of sounds and pictures with their reasons, by column.
        left_out: Columns of the assembly that are no features, with the reason.
        unused: These columns.
        notes: What was found, in words.
        warnings: What may make the metrics too good, in words.
        num_bad: Recordings that cannot be used.
        rate_hz: Rate that recordings of several rates were resampled to.
        path_columns: Columns of an ordinary table that hold paths.
        missing: Share of rows without a file, by column of paths.
        gap_share: Largest share of rows without the file of a signal, or with a gap in it.
    """

    recordings: Recordings | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, tuple[Feature, str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, Column] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    num_bad: int = 0
    rate_hz: float | None = None
    path_columns: Mapping[str, PathColumn] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    gap_share: float = 0.0

    @property
    def is_recordings(self) -> bool:
        """Whether rows are recordings or windows of them."""
        return self.recordings is not None

    @property
    def is_windows(self) -> bool:
        """Whether rows are windows, which are split by recording or stretch and no other way."""
        return self.recordings is not None and self.recordings.window is not None

    @property
    def is_sorted_by_label(self) -> bool:
        """Whether rows are sorted by label, because names of folders or files begin with it."""
        if self.recordings is None or self.is_windows:
            return False
        pattern = self.recordings.label_pattern or ""
        is_first = pattern.startswith("^(") or "/" in pattern
        return self.recordings.label_from == "folder" or is_first

    @property
    def options_of_groups(self) -> dict[str, int]:
        """How group columns are found, where it differs from ordinary tables."""
        return {"min_groups": _MIN_GROUPS} if self.is_recordings else {}
