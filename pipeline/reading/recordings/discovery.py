"""Discovery of the form of raw recordings, for `init`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.recording_options import Recordings


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What raw files seem to be.

    Attributes:
        recordings: The proposed `data.recordings`; its paths are relative to the current folder.
        label: The label column; a name of its own (`label`) where the label comes from a folder, a
            pattern or a table of events.
        positive: The rarest value of the label, as text; None if it is not known.
        data: Further keys of `data`, such as `decimal`.
        notes: What was concluded and from what, in words.
    """

    recordings: Recordings
    label: str
    positive: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def discover(path: str, *, labels: str | None, label: str | None) -> Discovery | None:
    """Returns what the raw files at a path are, or None for an ordinary table.

    Args:
        path: A file, a folder or a glob.
        labels: A table of labels that a person names.
        label: A label column that a person names.

    Raises:
        InputError: They are recordings, but the label is not found.
    """
    raise NotImplementedError
