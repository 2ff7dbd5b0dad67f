"""Column discovery and type inference over the whole data set."""

import difflib
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from common.errors import InputError
from common.example_files import BLOCK_COLUMN
from pipeline.column_format import ColumnFormat, TimeUnit, ValueType
from pipeline.reading import contract, times, values
from pipeline.reading.files.pieces import ADDED_COLUMNS
from pipeline.reading.ingest_spec import IngestSpec

_LOGGER = logging.getLogger(__name__)

# How a column is stored in the files, before its type is decided.
Kind = Literal[
    "text",
    "bytes",
    "int",
    "truth",
    "float",
    "time",
    "int list",
    "float list",
    "bytes list",
    "empty",
    "none",
]
Type = Literal[
    "label",
    "int",
    "float",
    "bytes",
    "time",
    "int list",
    "float list",
    "bytes list",
    "media",
    "empty",
]

ARROW_TYPES: dict[Type, pa.DataType] = {
    "label": pa.int64(),
    "int": pa.int64(),
    "time": pa.int64(),
    "float": pa.float32(),
    "bytes": pa.binary(),
    "int list": pa.large_list(pa.int64()),
    "float list": pa.large_list(pa.float32()),
    "bytes list": pa.large_list(pa.binary()),
    "media": pa.large_binary(),  # files: a batch may have more than the 2 GiB of the others
    "empty": pa.null(),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the examples.

    Attributes:
        name: The column's name.
        type: Its type in the examples.
        form: How its values are written; None for the label and for lists.
        parts: The raw columns of a wide signal, in order.
        needed: Whether an invalid value makes its row bad; if not, the value counts as missing.
    """

    name: str
    type: Type
    form: ColumnFormat | None = None
    parts: tuple[str, ...] = ()
    needed: bool = True


@dataclass(kw_only=True)
class TextProfile:
    """Types that fit the texts of a column that nobody has declared, over all rows read so far.

    Attributes:
        num_values: Values that are not missing.
        all_int: Every value is a whole number.
        all_float: Every value is a number.
        num_unread: Values of a time column that are not ISO 8601.
        formats: Values of a time column that each other time format reads, for advice.
    """

    num_values: int = 0
    all_int: bool = True
    all_float: bool = True
    num_unread: int = 0
    formats: Counter[str] = field(default_factory=Counter)

    def merge(self, other: "TextProfile") -> None:
        """Merges the profile of other rows into this one."""
        self.num_values += other.num_values
        self.all_int &= other.all_int
        self.all_float &= other.all_float
        self.num_unread += other.num_unread
        self.formats += other.formats


@dataclass(kw_only=True)
class Profile:
    """Kinds and text profiles of all columns, in order of appearance.

    Attributes:
        kinds: Kinds of each column over all files.
        texts: Profiles of the text columns.
        num_rows: Rows read; not every row is read where the file declares its types.
        lacking: Columns named in the config that some files lack, each with those files.
    """

    kinds: dict[str, set[Kind]] = field(default_factory=dict)
    texts: dict[str, TextProfile] = field(default_factory=dict)
    num_rows: int = 0
    lacking: dict[str, set[str]] = field(default_factory=dict)

    def merge(self, other: "Profile") -> None:
        """Merges the profile of another part of the data into this one."""
        for name, kinds in other.kinds.items():
            self.kinds.setdefault(name, set()).update(kinds)
        for name, text in other.texts.items():
            self.texts.setdefault(name, TextProfile()).merge(text)
        self.num_rows += other.num_rows
        for name, files in other.lacking.items():
            self.lacking.setdefault(name, set()).update(files)

    def add_batch(self, batch: pa.RecordBatch, spec: IngestSpec, *, csv: bool) -> None:
        """Adds one raw batch to the profile."""
        self.num_rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            kind = kind_of(column.type, csv=csv)
            self.kinds.setdefault(name, set()).add(kind)
            if name in spec.media:
                continue
            if kind == "text" or (kind == "bytes" and name in spec.times):
                text = self.texts.setdefault(name, TextProfile())
                if name not in spec.columns and name != spec.label:
                    text.merge(_profile_texts(column, name, spec, so_far=text))
                else:
                    text.num_values += len(column) - column.null_count


def kind_of(arrow: pa.DataType, *, csv: bool = False) -> Kind:
    """Returns the kind of an Arrow type; `none` if a tf.Example cannot hold it."""
    types = pa.types
    if types.is_dictionary(arrow):
        return kind_of(arrow.value_type)
    if types.is_list(arrow) or types.is_large_list(arrow) or types.is_fixed_size_list(arrow):
        return _LIST_KINDS.get(kind_of(arrow.value_type), "none")
    kinds: dict[Kind, bool] = {
        "text" if csv else "bytes": values.is_text(arrow),
        "int": types.is_integer(arrow),
        "truth": types.is_boolean(arrow),
        "float": types.is_floating(arrow) or types.is_decimal(arrow),
        "time": types.is_timestamp(arrow) or types.is_date(arrow),
        "empty": types.is_null(arrow),
    }
    return next((kind for kind, fits in kinds.items() if fits), "none")


_LIST_KINDS: dict[Kind, Kind] = {
    "int": "int list",
    "truth": "int list",
    "float": "float list",
    "bytes": "bytes list",
    "empty": "empty",
}


def _profile_texts(
    column: pa.Array, name: str, spec: IngestSpec, *, so_far: TextProfile
) -> TextProfile:
    """Profiles a batch of texts; checks only what earlier batches have left open."""
    form = ColumnFormat(type="text")
    texts, _ = contract.read_column(column, form, default_marks=spec.missing_values)
    present = texts.drop_null()
    profile = TextProfile(num_values=len(present))
    if not len(present):
        return profile
    if name in spec.times:
        _profile_times(present, profile)
    elif name not in spec.types and name not in spec.numbers:
        profile.all_int = so_far.all_int and values.all_int(present)
        profile.all_float = profile.all_int or (so_far.all_float and values.all_float(present))
    return profile


def _profile_times(present: pa.Array, profile: TextProfile) -> None:
    """Counts the values that need a declaration, and what each declaration would read."""
    counts = present.value_counts()
    texts, numbers = counts.field("values").cast(pa.string()), np.asarray(counts.field("counts"))
    _, bad = times.read_times(texts, ColumnFormat(type="time"))
    if not bad.any():
        return
    profile.num_unread = int(numbers[bad].sum())
    unread, hits = texts.filter(pa.array(bad)), numbers[bad]
    for unit in get_args(TimeUnit):
        fits = times.fits_unit(unread, unit)
        if fits.any():
            profile.formats[f"unit: {unit}"] += int(hits[fits].sum())
    read = times.formats_that_read(unread, hits)
    profile.formats.update({f'format: "{name}"': number for name, number in read.items()})


def decide_columns(profile: Profile, spec: IngestSpec) -> tuple[Column, ...]:
    """Returns the columns of the examples, sorted by name, each with its type.

    Raises:
        InputError: A column named in the config is missing or has an unsupported type.
    """
    check_names(list(profile.kinds), spec)
    wide = {
        name: wide_parts(name, signal.first, signal.last, list(profile.kinds))
        for name, signal in spec.wide_signals.items()
    }
    for name, parts in wide.items():
        _check_width(name, parts, spec)
    inside = {part for parts in wide.values() for part in parts}
    columns = [
        Column(name=n, type="float list", parts=parts, form=form_of(n, "float", spec))
        for n, parts in wide.items()
    ]
    for name, kinds in profile.kinds.items():
        if name in inside or (spec.path_columns and name in ADDED_COLUMNS):
            continue
        if name not in spec.needed and name not in spec.required and not _is_holdable(kinds):
            _LOGGER.warning("Column %s is excluded: a tf.Example cannot hold its type.", name)
            continue
        columns.append(_decide(name, kinds, profile.texts.get(name), spec))
    return tuple(sorted(columns, key=lambda column: column.name))


def _is_holdable(kinds: set[Kind]) -> bool:
    """Tells whether a tf.Example can hold a column; texts and lists of numbers do not mix."""
    elements = {kind.removesuffix(" list") for kind in kinds - {"empty"}}
    is_list = any(kind.endswith("list") for kind in kinds)
    return "none" not in kinds and (
        not is_list or elements == {"bytes"} or elements <= {"int", "float"}
    )


def check_names(
    names: Sequence[str],
    spec: IngestSpec,
    *,
    where: str = "the data",
    required: Sequence[str] | None = None,
) -> None:
    """Checks that `names` contains every column named in the config.

    Args:
        names: Columns found.
        spec: The ingestion settings.
        where: Description of the data, for the message.
        required: The columns that must be there; by default all that the config names.

    Raises:
        InputError: Names the missing column, the nearest match and the columns found.
    """
    if BLOCK_COLUMN in names:
        raise InputError(
            f"The column `{BLOCK_COLUMN}` of {where} has the name of the blocks that Faultline "
            "adds to examples. Rename or remove it."
        )
    for name in spec.required if required is None else required:
        if name in names:
            continue
        nearest = difflib.get_close_matches(name, names, n=1)
        what = "label column" if name == spec.label else "column"
        what = f"{spec.strategy} column" if name == spec.split_column else what
        raise InputError(
            f"The {what} `{name}` is not in {where}"
            + (f"; did you mean `{nearest[0]}`?" if nearest else ".")
            + f" Columns found: {_listed(names)}."
        )


def _listed(names: Sequence[str], limit: int = 30) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"`{name}`" for name in names[:limit]) + more


def wide_parts(name: str, first: str, last: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns of a wide signal, from `first` to `last` by their number.

    Args:
        name: Name of the signal, for messages.
        first: Column of the first sample, such as `t000`.
        last: Column of the last sample.
        columns: All columns of the data.

    Raises:
        InputError: The two names are not a common prefix followed by a number.
    """
    ends = [re.fullmatch(r"(.*?)(\d+)", column) for column in (first, last)]
    if ends[0] is None or ends[1] is None or ends[0][1] != ends[1][1]:
        raise InputError(
            f"data.wide_signals.{name}: `{first}` and `{last}` must share a prefix and end in a "
            "number, such as t000 and t151."
        )
    low, high = int(ends[0][2]), int(ends[1][2])
    numbered = {}
    for column in columns:
        match = re.fullmatch(r"(.*?)(\d+)", column)
        if match and match[1] == ends[0][1] and low <= int(match[2]) <= high:
            numbered[int(match[2])] = column
    return tuple(numbered[number] for number in sorted(numbered))


def _check_width(name: str, parts: Sequence[str], spec: IngestSpec) -> None:
    expected = spec.signals.get(name)
    if expected is not None and expected != len(parts):
        raise InputError(
            f"The signal `{name}` has {len(parts)} columns, `{parts[0]}` to `{parts[-1]}`, but "
            f"features.{name}.num_samples is {expected}. Make them agree."
        )


def _decide(name: str, kinds: set[Kind], text: TextProfile | None, spec: IngestSpec) -> Column:
    non_empty = kinds - {"empty"}
    needed = name in spec.needed
    if "none" in non_empty:
        raise InputError(f"Column `{name}` has a type that a tf.Example cannot hold.")
    if name == spec.label:
        return Column(name=name, type="label")
    if name in spec.media and non_empty:
        return _media_column(name, non_empty)
    if any(kind.endswith("list") for kind in non_empty):
        return Column(name=name, type=_list_type(name, non_empty, spec), needed=needed)
    if name in spec.signals and non_empty:
        raise InputError(
            f"The signal `{name}` must hold a list of numbers in each row, found single values. "
            "Use Parquet with a list column, or name its columns under data.wide_signals."
        )
    column_type = _scalar_type(name, non_empty, text, spec)
    if column_type == "time" and text is not None:
        _check_time_format(name, text, spec)
    form = None if column_type == "empty" else form_of(name, column_type, spec)
    return Column(name=name, type=column_type, form=form, needed=needed)


def _media_column(name: str, non_empty: set[Kind]) -> Column:
    if non_empty != {"bytes"}:
        raise InputError(
            f"`{name}` must hold the bytes of a file in each row, found "
            f"{_listed_kinds(non_empty)}. Give Parquet with a binary column, or a folder of files "
            "by data.recordings."
        )
    return Column(name=name, type="media")


def _listed_kinds(kinds: set[Kind]) -> str:
    return ", ".join(sorted(kinds))


def form_of(name: str, column_type: Type, spec: IngestSpec) -> ColumnFormat:
    """Returns how a column's values are written: as declared, else by its type.

    Args:
        name: The column.
        column_type: Its type in the examples.
        spec: The ingestion settings.
    """
    form = spec.columns.get(name) or ColumnFormat(type=_VALUE_TYPES[column_type])
    if form.unit is not None or form.elapsed:  # a time that is written as a number
        return replace(form, decimal=form.decimal or spec.decimal)
    if form.type != "number":
        return form
    return replace(
        form,
        decimal=form.decimal or spec.decimal,
        thousands=form.thousands or spec.thousands,
    )


_VALUE_TYPES: dict[Type, ValueType] = {
    "float": "number",
    "int": "code",
    "bytes": "text",
    "time": "time",
}
COLUMN_TYPES: dict[ValueType, Type] = {
    "number": "float",
    "code": "int",
    "text": "bytes",
    "truth": "bytes",
    "time": "time",
}


def _check_time_format(name: str, text: TextProfile, spec: IngestSpec) -> None:
    """Refuses texts that are mostly no ISO 8601 times: their format must be declared."""
    if name in spec.columns or not text.num_values or text.num_unread <= text.num_values / 2:
        return
    reads = text.formats.most_common(3)
    advice = " or ".join(f"`{declared}` (reads {hits:,})" for declared, hits in reads)
    raise InputError(
        f"Column `{name}`: {text.num_unread:,} of {text.num_values:,} values are neither ISO 8601 "
        "times nor seconds of 1980 to 2100, and nothing declares what they are. Write "
        f"data.columns.{name}: {{type: time, …}} with "
        + (advice or "`format:` in Python's notation, such as %d/%m/%Y %H:%M,")
        + "; with `elapsed: true` for a clock that starts at 0."
    )


def _scalar_type(
    name: str, non_empty: set[Kind], text: TextProfile | None, spec: IngestSpec
) -> Type:
    """Returns the declared type of a scalar column; else infers it."""
    if name in spec.columns:
        return COLUMN_TYPES[spec.columns[name].type]
    if name in spec.times:
        return "time"
    if non_empty == {"time"} and spec.types.get(name) == "int":
        return "time"  # a stored timestamp; examples have its seconds
    if name in spec.types or name in spec.numbers:
        return spec.types.get(name, "float")
    return _inferred_type(non_empty, text)


def _inferred_type(non_empty: set[Kind], text: TextProfile | None) -> Type:
    if not non_empty or (text is not None and not text.num_values and non_empty <= {"text"}):
        return "empty"
    if text is not None and non_empty & {"text", "bytes"}:
        if text.all_int and non_empty <= {"text", "bytes", "int"}:
            return "int"
        return "float" if text.all_float else "bytes"
    if non_empty == {"time"}:
        return "time"
    if non_empty <= {"int", "time"}:
        return "int"
    return "float" if non_empty <= {"int", "float"} else "bytes"


def _list_type(name: str, non_empty: set[Kind], spec: IngestSpec) -> Type:
    elements = {kind.removesuffix(" list") for kind in non_empty}
    floats = name in spec.signals or spec.types.get(name) == "float"
    if floats and elements <= {"int", "float"}:
        return "float list"
    if elements == {"int"}:
        return "int list"
    if elements <= {"int", "float"}:
        return "float list"
    if elements == {"bytes"} and name not in spec.signals:
        return "bytes list"
    kinds = _listed_kinds(non_empty)
    raise InputError(f"Column `{name}` must hold lists of numbers, found {kinds}.")
