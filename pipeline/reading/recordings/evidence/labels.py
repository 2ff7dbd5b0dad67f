"""Evidence of the labels of files: in a table beside them, in folders, or in their names."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.errors import InputError
from pipeline.reading.recordings.beside.matching import FileMatcher, normal_id, unpadded
from pipeline.reading.recordings.raw.listing import stem
from pipeline.recording_options import OWN_COLUMNS

# A table names the recordings if one of its columns has this share of their names.
_MATCHED = 0.5
MAX_CLASSES = 30
_MAX_SLIPS = 0.05  # share of the recordings with rows that differ by mistake
_NAMES = {
    "label", "labels", "class", "target", "fault", "faulty", "failure", "failed", "anomaly",
    "anomalous", "abnormal", "defect", "defective", "y", "outcome", "quality", "ok", "nok",
    "condition", "verdict",
}  # fmt: skip
_CLASS_WORDS = {
    "ok", "nok", "good", "bad", "normal", "abnormal", "anomaly", "anomalous", "healthy", "fault",
    "faulty", "fail", "failed", "failure", "defect", "defective", "damaged", "broken", "nominal",
    "pass", "passed", "pos", "neg", "positive", "negative", "leak", "crack", "intact", "error",
    "ng", "unhealthy", "damage", "undamaged", "flawless", "defekt", "fehler", "io", "nio", "gut",
    "schlecht", "gesund", "schaden", "fehlerhaft",
}  # fmt: skip
_SPLIT_WORDS = {"train", "training", "test", "testing", "val", "valid", "validation", "eval", "dev"}
# Levels of folders from the file's own one outwards, then from the outermost inwards.
_LEVELS: Mapping[int, str | None] = {
    -1: None,
    -2: r"([^/]+)(?:/[^/]+){2}$",
    -3: r"([^/]+)(?:/[^/]+){3}$",
    0: r"^([^/]+)/",
    1: r"^[^/]+/([^/]+)/",
}
_OWN_FOLDER = r"([^/]+)/[^/]+$"
# What folders may be named after; a group by such a name is found as one.
_OWNERS = {
    "machine", "motor", "pump", "engine", "unit", "device", "turbine", "bearing", "speaker",
    "subject", "person", "patient", "session", "plant", "site", "station", "vehicle", "car",
}  # fmt: skip
_DATE = re.compile(r"(19|20)?\d\d([-_. ]?)\d\d\2\d\d([-_. T]\d.*)?")
_PATTERNS = (
    r"^([A-Za-z]+)(?:[^A-Za-z]|$)",
    r"[^A-Za-z0-9]([A-Za-z]+)(?:\.[A-Za-z0-9]+)?$",
    r"[^A-Za-z0-9]([A-Za-z]+)[0-9]*(?:\.[A-Za-z0-9]+)?$",
)


@dataclass(frozen=True, kw_only=True)
class TableOfLabels:
    """A table that names recordings.

    Attributes:
        path: Its file.
        id_column: Its column with their names.
        num_matched: Recordings that it names.
    """

    path: str
    id_column: str
    num_matched: int


def match_table(
    path: str, frame: pd.DataFrame, files: Sequence[str], base: str
) -> TableOfLabels | None:
    """Returns how a table names files, or None if it does not.

    Names are compared as `FileMatcher` does for the reader.

    Args:
        path: The table's file.
        frame: Its rows.
        files: The files.
        base: The folder that paths are relative to.
    """
    folders = {Path(file).parent for file in files}
    base = str(folders.pop()) if len(folders) == 1 else base
    names = [_below(Path(file), base) for file in files]
    ends = [{unpadded(Path(name).name), unpadded(stem(name))} for name in names]
    best: TableOfLabels | None = None
    for column in frame.columns:
        if str(column).startswith("Unnamed: "):  # the index of a data frame counts its rows
            continue
        ids = {normal_id(text) for text in frame[column].dropna().astype(str).unique()}
        # Comparing the last parts is fast, and rules most columns out.
        id_ends = {unpadded(id_).rpartition("/")[2] for id_ in ids}
        if sum(bool(own & id_ends) for own in ends) < _MATCHED * len(files):
            continue
        matcher = FileMatcher(sorted(ids), names, base=base)
        number = sum(bool(matcher.match(name) or matcher.ambiguous(name)) for name in names)
        if number >= _MATCHED * len(files) and (best is None or number > best.num_matched):
            best = TableOfLabels(path=path, id_column=str(column), num_matched=number)
    return best


def match_ids(path: str, frame: pd.DataFrame, ids: set[str], column: str) -> TableOfLabels | None:
    """Returns how a table names the ids of a long table, by the column of the same name."""
    if column not in frame.columns:
        return None
    number = len(ids & set(frame[column].dropna().astype(str).str.strip()))
    if number < _MATCHED * len(ids):
        return None
    return TableOfLabels(path=path, id_column=column, num_matched=number)


def _below(path: Path, base: str) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name


def label_column(
    frame: pd.DataFrame, *, wanted: str | None, not_label: Sequence[str], where: str
) -> str:
    """Returns the label's column of a table.

    Args:
        frame: The table.
        wanted: The column that a person names.
        not_label: Columns with another role.
        where: The table's file, for messages.

    Raises:
        InputError: The named column does not exist, or none or several could be the label.
    """
    columns = [str(name) for name in frame.columns]
    if wanted is not None:
        if wanted in columns:
            return wanted
        near = difflib.get_close_matches(wanted, columns, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise InputError(f"--label: {where} has no column `{wanted}`.{hint} {_listed(columns)}")
    candidates = likely_labels(frame, not_label) or _only_label(frame, not_label)
    if len(candidates) == 1:
        return candidates[0]
    which = (
        f"{' and '.join(f'`{name}`' for name in candidates)} may be" if candidates else "none is"
    )
    raise InputError(
        f"{where}: which column is the label? By name and values, {which}. Name it with --label. "
        f"{_listed(columns)}"
    )


def likely_labels(frame: pd.DataFrame, not_label: Sequence[str] = ()) -> list[str]:
    """Returns the columns that are named as a label and have two to thirty values."""
    return [
        str(name)
        for name in frame.columns
        if name not in (*not_label, *OWN_COLUMNS)
        and is_named_as_label(str(name))
        and 2 <= frame[name].nunique() <= MAX_CLASSES
    ]


def _only_label(frame: pd.DataFrame, not_label: Sequence[str]) -> list[str]:
    """Returns the columns of which a value is a word such as `ok`; else the only other column."""
    others = [str(name) for name in frame.columns if name not in (*not_label, *OWN_COLUMNS)]
    few = [name for name in others if 2 <= frame[name].nunique() <= MAX_CLASSES]
    by_value = [name for name in few if _share_of_words(frame[name].dropna().astype(str).unique())]
    return by_value or (few if len(others) == 1 else [])


def annotation_columns(frame: pd.DataFrame, id_column: str, label: str) -> tuple[str, ...]:
    """Returns the columns that differ between rows of one recording, such as the corners of boxes.

    Args:
        frame: A table of labels.
        id_column: Its column with the names of the recordings.
        label: Its label, which is none of them.
    """
    if not frame[id_column].duplicated().any():
        return ()
    numbers = frame.drop(columns=label).groupby(id_column).nunique(dropna=False)
    shares = (numbers > 1).mean()
    return tuple(str(name) for name, share in shares.items() if share > _MAX_SLIPS)


def is_named_as_label(name: str) -> bool:
    """Tells whether a column or an array such as `is_faulty` or `y` is named as a label."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    return bool(words) and (words[0] in ("is", "has") or words[-1] in _NAMES)


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in columns[:12])
    more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
    return f"Its columns: {shown}{more}."


@dataclass(frozen=True, kw_only=True)
class FolderClasses:
    """Folders whose names are the classes of the files in them.

    Attributes:
        classes: Files by class.
        pattern: Regular expression that finds the class in a file's path below the base; None if
            it is the name of the file's own folder.
        unused: Names of the folders above, if they might be the classes instead.
        shared: Folders of another level that have files of several classes, such as machines.
    """

    classes: Counter[str]
    pattern: str | None = None
    unused: tuple[str, ...] = ()
    shared: "SharedFolders | None" = None


@dataclass(frozen=True, kw_only=True)
class SharedFolders:
    """Folders of one level, most of which have files of several classes.

    Attributes:
        names: Those that have.
        pattern: Regular expression that finds the folder in a file's path below the base.
    """

    names: tuple[str, ...]
    pattern: str

    @property
    def column(self) -> str:
        """Name for a column of them: `machine` of `machine_3`, else `unit`."""
        words = {re.split(r"[^a-z]", name.lower(), maxsplit=1)[0] for name in self.names}
        return words.pop() if len(words) == 1 and words <= _OWNERS else "unit"


def folder_classes(files: Sequence[str], base: str) -> FolderClasses | None:
    """Returns the level of folders whose names are the classes; None if there is none.

    Every file must be in such a folder, and there are two to thirty names. A name such as `fault=1`
    is that of a column; dates and splits such as `train` are no classes. The level with the
    largest share of words such as `ok` is taken; without any, that of the files' own folders.
    """
    parents = [Path(file).parent for file in files]
    below = [path.relative_to(base).parts if path.is_relative_to(base) else () for path in parents]
    if not all(below) or any("=" in part for parts in below for part in parts):
        return None
    levels = {
        place: [parts[place] for parts in below]
        for place in _LEVELS
        if all(-len(parts) <= place < len(parts) for parts in below)
    }
    candidates = {
        place: names for place, names in levels.items() if _may_be_classes(Counter(names))
    }
    if not candidates:
        return None
    place = max(candidates, key=lambda one: _share_of_words(set(candidates[one])))
    names, pattern = candidates[place], _LEVELS[place]
    if pattern is not None and not _share_of_words(set(names)):
        return None
    unused = () if pattern else _unused_folders(parents, base)
    shared = _shared_folders(names, levels)
    return FolderClasses(classes=Counter(names), pattern=pattern, unused=unused, shared=shared)


def _shared_folders(
    classes: Sequence[str], levels: Mapping[int, Sequence[str]]
) -> SharedFolders | None:
    """Returns the folders of the level where most have files of several classes."""
    shared: SharedFolders | None = None
    for place, names in levels.items():
        counts = Counter(name for name, _ in {*zip(names, classes, strict=True)})
        crossed = sorted(name for name, number in counts.items() if number > 1)
        is_split = {name.lower() for name in counts} <= _SPLIT_WORDS
        most = len(shared.names) if shared else 0
        if not is_split and len(counts) > 1 and 2 * len(crossed) >= len(counts) > most:
            shared = SharedFolders(names=tuple(crossed), pattern=_LEVELS[place] or _OWN_FOLDER)
    return shared


def _may_be_classes(names: Counter[str]) -> bool:
    is_split = {name.lower() for name in names} <= _SPLIT_WORDS
    are_dates = all(_DATE.fullmatch(name) for name in names)
    return 2 <= len(names) <= MAX_CLASSES and not is_split and not are_dates


def _share_of_words(names: Collection[str]) -> float:
    """Returns the share of names with a word such as `ok`."""
    words = [
        {*re.split(r"[^a-z0-9]+", name.lower()), name.lower().replace(".", "")}  # `n.i.O.`
        for name in names
    ]
    return sum(bool(own & _CLASS_WORDS) for own in words) / len(names)


def _unused_folders(parents: Sequence[Path], base: str) -> tuple[str, ...]:
    """Returns the folders above the classes, if they might be the classes instead.

    They might if no class is a word such as `ok`, if no folder above is named as a split, and if a
    class is below several of them.
    """
    inner = {parent.name.lower() for parent in parents}
    outer = {parent.parent.name for parent in parents if parent.parent != Path(base)}
    is_crossed = len({*parents}) > len(inner)
    if not is_crossed or inner & _CLASS_WORDS or {name.lower() for name in outer} & _SPLIT_WORDS:
        return ()
    return tuple(sorted(outer))


def split_folders(files: Sequence[str], base: str) -> list[str]:
    """Returns the names of folders that a person divided the files into, such as `train`."""
    names = {
        part
        for file in files
        for part in Path(file).parent.parts[len(Path(base).parts) :]
        if part.lower() in _SPLIT_WORDS
    }
    return sorted(names) if len(names) > 1 else []


def name_pattern(files: Sequence[str]) -> tuple[str, Counter[str]] | None:
    """Returns a regular expression that finds the class in each file's name, and the classes.

    One of the classes must be a word such as `ok` or `fault`: the names of machines or persons
    also repeat.
    """
    names = [Path(file).name for file in files]
    for pattern in _PATTERNS:
        matches = [re.search(pattern, name) for name in names]
        classes = Counter(match[1] for match in matches if match)
        if classes.total() == len(names) and _are_classes(classes):
            return pattern, classes
    return _word_pattern(names)


def _word_pattern(names: Sequence[str]) -> tuple[str, Counter[str]] | None:
    """Returns a pattern for names that hold one word such as `ok` each, anywhere."""
    words = [[w for w in re.findall(r"[A-Za-z]+", name) if w.lower() in _CLASS_WORDS]
             for name in names]  # fmt: skip
    classes = Counter(own[0] for own in words if len(own) == 1)
    if classes.total() < len(names) or not _are_classes(classes):
        return None
    return rf"(?:^|[^A-Za-z])({'|'.join(sorted(classes))})(?:[^A-Za-z]|$)", classes


def _are_classes(classes: Counter[str]) -> bool:
    lower = {name.lower() for name in classes}
    return 2 <= len(classes) <= MAX_CLASSES and bool(lower & _CLASS_WORDS)


def no_label_error(what: str, base: str, example: str) -> InputError:
    """Returns the error of recordings whose label is not found."""
    return InputError(
        f"{base} has {what}, such as {example}, but no label was found: no table beside them "
        "names most of the files, they are not in sub-folders by class, and their names hold no "
        "word such as `ok` or `fault`. Write a table with a row for each file, its name and its "
        "label, and name it with --labels, or set data.recordings.label_pattern in a config."
    )
