"""Options for raw recordings: files, long tables, endless streams, sounds, pictures."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from measuring.events import names

Form = Literal["files", "long", "stream", "rows"]
Media = Literal["table", "audio", "image"]
RateUnit = Literal["s", "ms", "us", "ns", "Hz", "kHz", "MHz", "GHz"]
Column = Annotated[str, Field(min_length=1)]

# Columns of the assembled table, beside those of the channels, the label and the context.
RECORDING = names.RECORDING
RATE = "sampling_rate_hz"
WINDOW_START, WINDOW_END, WINDOW = names.WINDOW_START, names.WINDOW_END, names.WINDOW
STRETCH, EVENT = names.STRETCH, names.EVENT
OWN_COLUMNS = (RECORDING, RATE, WINDOW_START, WINDOW_END, WINDOW, STRETCH, EVENT)

# Options that go with media `table` only.
_OF_TABLES = ("time_column", "index_column", "header_rate", "header_row", "channels", "window")
_BYTES_COLUMNS: dict[Media, str] = {"table": "", "audio": "sound", "image": "image"}


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Window(JsonValue):
    """Windows that recordings are cut into; exactly one of `num_samples` and `length_s`.

    Attributes:
        num_samples: Samples of a window, at least 2.
        length_s: Length of a window in s, > 0; needs a sampling rate.
        hop: From the start of a window to that of the next, in windows, in (0, 1]; 0.5 overlaps by
            half.
        positive_share: A window is positive if events cover at least this share of it, or if at
            least this share of an event shorter than the window is in it, in (0, 1]. A window that
            touches an event and is below both is undecided and left out.
        num_stretches: Contiguous parts that each stream is cut into if there are too few streams to
            split them by recording, at least 3; between two parts a gap of one window is dropped.
        history: Compares each window with this many windows before it, at least 1: adds three
            columns for each channel, `CHANNEL_past_distance`, `CHANNEL_past_shift` and
            `CHANNEL_past_spread`.
    """

    num_samples: Annotated[int, Field(ge=2)] | None = None
    length_s: Annotated[float, Field(gt=0)] | None = None
    hop: Annotated[float, Field(gt=0, le=1)] = 1.0
    positive_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    num_stretches: Annotated[int, Field(ge=3)] | None = None
    history: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "Window":
        if (self.num_samples is None) == (self.length_s is None):
            raise ValueError("needs exactly one of `num_samples` and `length_s`")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class RowsOfFile(JsonValue):
    """Where recordings and labels are in files that hold many of them.

    Attributes:
        array: Array with the recordings, `[recordings, samples]` or `[recordings, samples,
            channels]`, in NumPy, HDF5 and MATLAB files. Arrays with one value for each recording
            are context. By default the files are text with one recording a line.
        label: Array with the labels in the same file, or with the classes one-hot, `[recordings,
            classes]`, numbered from 0. With `groups`, an attribute or a single value of each.
        axis: Axis of `array` with the recordings; of three, the longer one of the others has the
            samples.
        parts: Parts such as `train` and `test` that the arrays are divided into by their names:
            `X_train` and `X_test` are parts of the array `X`. The column `part` has the name.
        groups: Each group of an HDF5 file is a recording: its data sets are the channels.
        label_at: Place of the label in a line of text, or the group around each one of `groups`.
        num_samples: Samples in a line of text, at least 2. A line to predict may lack the label.
    """

    array: Column | None = None
    label: Column | None = None
    axis: Literal["first", "last"] = "first"
    parts: tuple[Column, ...] = ()
    groups: bool = False
    label_at: Literal["first", "last", "group"] | None = None
    num_samples: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "RowsOfFile":
        kinds = (self.array is not None, self.num_samples is not None, self.groups)
        if kinds.count(True) != 1:
            raise ValueError(
                "needs exactly one of `array`, `groups: true`, and `num_samples` of lines of text"
            )
        kind = ("arrays", "text", "groups")[kinds.index(True)]
        places = {"text": ("first", "last"), "groups": ("group",), "arrays": ()}[kind]
        wrong = {
            "label": kind == "text" and self.label is not None,
            "label_at": self.label_at not in (None, *places),
            "parts": kind != "arrays" and bool(self.parts),
            "axis": kind != "arrays" and self.axis != "first",
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"`{name}` does not go with files of {kind}; remove it")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HeaderRate(JsonValue):
    """The sampling rate or interval that lines before the table of a CSV file state.

    Attributes:
        name: What is before the number, such as `Sample Interval`, or above it.
        unit: Unit of numbers without one; that of a time makes them intervals.
    """

    name: Column
    unit: RateUnit


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Recordings(JsonValue):
    """How raw files become a table with one row for each recording, or for each window of it.

    The label comes from one source: `labels`, `label_from`, `label_pattern` or `events`. Without
    any of them it is a column of the raw files: constant within a recording, or for `stream` a
    value for each sample.

    Attributes:
        form: `files` has one file for each recording; `long` has tables with an id in each row;
            `stream` has long recordings with events, cut into windows; `rows` has many recordings
            of equal length in a file, one in each line or row of an array.
        media: What the files hold: a `table` of samples, `audio`, or an `image`.
        column: Column for the bytes of a sound or picture; by default `sound` or `image`.
        labels: Table with one row for each recording: its label, and context columns. Relative to
            the YAML's folder, or to the folder of a built-in data set. Of form `rows`: a table or
            an NPY file with the label of each recording, in their order.
        id_column: Column that names the recording. In `labels` of form `files`: the file's name
            with or without suffix, or its path below `data.path`. In a long table: the column of
            ids; `labels` must have it too. For `stream`: the column of ids of a table with several
            streams; without it, each file is a stream.
        label_from: `folder` takes the name of the file's folder as the label.
        label_pattern: Regular expression with one group, the label; searched in the file's name, or
            if it has a `/`, in the file's path below `data.path`.
        time_column: Column of the samples' times; without one, samples are equidistant. Irregular
            times are interpolated to their median period; in gaps of more than three samples the
            signal is missing.
        index_column: Column that numbers the samples by whole numbers in steps of 1, such as
            `cycle`, in place of `time_column`. It shows gaps and wrong orders, and is no time: it
            gives no rate.
        header_rate: Where the lines before the table of a CSV file state its sampling rate.
        header_row: Names of the first columns of CSV files whose number of lines before the names
            differs; the first line that begins with them is the header, in place of
            `data.skip_rows`.
        channels: Columns of the samples; by default the numeric columns without another role that
            vary within a recording, and for `stream` all of them.
        window: Windows to cut recordings into; required for `stream`.
        events: Table of events of a `stream` with the columns `recording`, `start`, `end` and, if
            there are kinds, `kind`; relative to the same folder as `labels`.
        rows: Where the recordings are in a file; required for `rows`.
        from_path: Columns from the path of each file below `data.path`, for form `files`: name to a
            regular expression with one group, the value. `machine: ^([^/]+)/` is the outermost
            folder, by which `split` can group.
    """

    form: Form
    media: Media = "table"
    column: str = ""
    labels: str | None = None
    id_column: Column | None = None
    label_from: Literal["folder"] | None = None
    label_pattern: str | None = None
    time_column: Column | None = None
    index_column: Column | None = None
    header_rate: HeaderRate | None = None
    header_row: tuple[Column, ...] = ()
    channels: tuple[Column, ...] = ()
    window: Window | None = None
    events: str | None = None
    rows: RowsOfFile | None = None
    from_path: dict[Column, str] = Field(default_factory=dict)

    @field_validator("label_pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            _check_pattern(pattern, "the label, such as _(ok|nok)_")
        return pattern

    @field_validator("from_path")
    @classmethod
    def _one_group_each(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if name in OWN_COLUMNS:
                raise ValueError(f"names `{name}`, which the assembly of recordings adds itself")
            _check_pattern(pattern, "the value, such as ^([^/]+)/")
        return patterns

    @model_validator(mode="after")
    def _consistent(self) -> "Recordings":
        self._check_label()
        self._check_form()
        self._check_media()
        if self.time_column is not None and self.index_column is not None:
            raise ValueError("has `time_column` and `index_column`; keep the times")
        taken = [name for name in self.channels if name in (*OWN_COLUMNS, self.order_column)]
        if taken:
            raise ValueError(f"`channels` names `{taken[0]}`, which has another role; remove it")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("`channels` names a column twice")
        return self

    def _check_label(self) -> None:
        sources = ("labels", "label_from", "label_pattern", "events")
        given = [f"`{name}`" for name in sources if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has several sources of the label, {' and '.join(given)}; keep one")

    def _check_form(self) -> None:
        wrong = {
            "label_from": self.form != "files",
            "label_pattern": self.form != "files",
            "labels": self.form == "stream",
            "events": self.form != "stream",
            "rows": self.form != "rows",
            "id_column": self.form == "rows",
            "time_column": self.form == "rows",
            "index_column": self.form == "rows",
            "header_rate": self.form in ("rows", "long") or self.id_is_column,
            "header_row": self.form in ("rows", "long") or self.id_is_column,
            "window": self.form == "rows",
            "from_path": self.form != "files",
        }
        for name, is_wrong in wrong.items():
            if is_wrong and getattr(self, name):
                raise ValueError(f"`{name}` does not go with form `{self.form}`; remove it")
        if self.form == "long" and self.id_column is None:
            raise ValueError("form `long` needs `id_column`, the column that names the recording")
        if self.form == "files" and self.labels is not None and self.id_column is None:
            raise ValueError("`labels` needs `id_column`, its column with the files' names")
        if self.form == "files" and self.id_column is not None and self.labels is None:
            raise ValueError("`id_column` is a column of `labels`, which is not set")
        if self.form == "stream" and self.window is None:
            raise ValueError("form `stream` needs `window`, the windows that streams are cut into")
        if self.form == "rows":
            self._check_rows()
        if self.events is not None and self.time_column is None:
            raise ValueError("`events` needs `time_column`, which their starts and ends refer to")

    def _check_rows(self) -> None:
        if self.rows is None:
            raise ValueError("form `rows` needs `rows`: where the recordings are in a file")
        sources = {"labels": self.labels, "rows.label": self.rows.label}
        sources["rows.label_at"] = self.rows.label_at
        given = [f"`{name}`" for name, value in sources.items() if value is not None]
        if len(given) != 1:
            listed = " and ".join(given) or "none"
            raise ValueError(
                f"form `rows` needs one of `labels`, `rows.label` and `rows.label_at`, got {listed}"
            )

    def _check_media(self) -> None:
        if self.media == "table":
            if self.column:
                raise ValueError("`column` is for media `audio` and `image` only")
            return
        if self.form != "files":
            raise ValueError(f"media `{self.media}` needs form `files`, got `{self.form}`")
        for name in _OF_TABLES:
            if getattr(self, name):
                raise ValueError(f"`{name}` does not go with media `{self.media}`; remove it")
        if self.has_label_column:
            raise ValueError(
                f"media `{self.media}` needs one of `labels`, `label_from` and `label_pattern`: "
                "the files have no column for the label"
            )

    @property
    def has_label_column(self) -> bool:
        """Whether the label is a column of the raw files."""
        return not (self.labels or self.label_from or self.label_pattern or self.events)

    @property
    def order_column(self) -> str | None:
        """Column that orders the samples: of their times, or of their numbers."""
        return self.time_column or self.index_column

    @property
    def id_is_column(self) -> bool:
        """Whether a table holds several recordings, told apart by a column."""
        return self.form != "files" and self.id_column is not None

    @property
    def bytes_column(self) -> str:
        """Column with the bytes of a sound or picture; empty for tables."""
        return self.column or _BYTES_COLUMNS[self.media]


def _check_pattern(pattern: str, what: str) -> None:
    try:
        num_groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if num_groups != 1:
        raise ValueError(f"must have one group, {what}; has {num_groups}")


def with_channels(recordings: Recordings, signals: Collection[str]) -> Recordings:
    """Returns the options with the signals of the features as channels, unless some are named.

    Otherwise a channel would be taken for context where a few recordings hold it constant.
    """
    if recordings.channels or recordings.media != "table" or not signals:
        return recordings
    return replace(recordings, channels=tuple(signals))


def check_recordings(recordings: Recordings, label: str) -> None:
    """Checks that the label's column has no other role.

    Raises:
        ValueError: It is one of the assembled table's own columns, a channel, or the id or time.
    """
    roles = dict.fromkeys(OWN_COLUMNS, "is added by the assembly of recordings")
    roles |= dict.fromkeys(recordings.channels, "is one of data.recordings.channels")
    roles |= dict.fromkeys(recordings.from_path, "is one of data.recordings.from_path")
    for key in ("id_column", "time_column", "index_column", "bytes_column"):
        roles[getattr(recordings, key) or ""] = f"is data.recordings.{key}"
    if label in roles:
        raise ValueError(
            f"label.column is `{label}`, which {roles[label]}; name the label's column"
        )


def check_windows(recordings: Recordings, strategy: str, *, eval_within_groups: bool) -> None:
    """Checks that a split does not deal windows of one recording at random, or shared samples.

    Args:
        recordings: How raw files become rows.
        strategy: The strategy of the split.
        eval_within_groups: Whether only `test` gets whole groups.

    Raises:
        ValueError: `eval` or `test` would get windows that follow or overlap those in `train`.
    """
    if recordings.window is None:
        return
    remedy = (
        "Split by `group` and the column `recording`; with too few recordings for three splits, "
        "set data.recordings.window.num_stretches and split by `stretch`"
    )
    if eval_within_groups:
        raise ValueError(
            "split.eval_within_groups does not go with data.recordings.window: train and eval "
            "would have windows of the same recording that overlap or follow each other, so eval "
            f"would measure memory. {remedy}"
        )
    if strategy == "stratified" or (strategy != "group" and recordings.window.hop < 1):
        shared = "that share samples" if recordings.window.hop < 1 else "that follow each other"
        raise ValueError(
            f"split.strategy `{strategy}` does not go with data.recordings.window: train and test "
            f"would have windows {shared}, so test would measure memory. {remedy}"
        )
