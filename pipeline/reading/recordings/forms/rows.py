"""Files with many recordings: what arrays, groups and lines of text have in common."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.forms.request import Discovery, Request, listed
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.recordings import read_rows
from pipeline.recording_options import Recordings, RowsOfFile

MIN_RECORDINGS = 6


class RowsRequest(Request):
    """Concludes what all forms of such files need."""

    def found_rows(
        self,
        files: Sequence[str],
        recordings: Recordings,
        label: str,
        labels: Sequence[str | None],
        notes: Sequence[str] = (),
        data: Mapping[str, Any] | None = None,
    ) -> Discovery:
        """Returns what was found.

        Args:
            files: The files.
            recordings: Their form.
            label: The label.
            labels: That of each recording.
            notes: What else was found, in words.
            data: Further keys of the config's `data` block.

        Raises:
            InputError: All recordings have the same label, or none has one.
        """
        classes = Counter(text for text in labels if text is not None)
        if len(classes) < 2:
            shown = listed(classes) or "no value"
            raise InputError(
                f"{files[0]}: the labels of its recordings have {shown}; expected two or more."
            )
        whole = [
            f"{count(len(labels), 'recording')} in {_what(recordings.rows)}{', '.join(files)}"
            f"{_remedy(recordings.rows)}",
            f"{_where(recordings, label)}: {listed(classes)}",
            *notes,
        ]
        if len(files) > 1:
            whole.append("files are not used as splits: all recordings are divided anew")
        return Discovery(
            path=self.listing.pattern_of(
                files, "table", [recordings.labels] if recordings.labels else []
            ),
            recordings=recordings,
            label=label,
            positive=series.rarest(classes),
            data=data or {},
            notes=tuple(whole),
        )


def _what(rows: RowsOfFile | None) -> str:
    if rows is None or not (rows.array or rows.groups):
        return "the lines of "
    return "the groups of " if rows.groups else f"`{rows.array}` of "


def _remedy(rows: RowsOfFile | None) -> str:
    is_text = rows is not None and rows.num_samples is not None
    return "; for a table of examples, give --header" if is_text else ""


def _where(recordings: Recordings, label: str) -> str:
    rows = recordings.rows
    if rows is not None and rows.label_at == "group":
        return "the name of the group around each is the label"
    if rows is not None and rows.label_at:
        return f"the {rows.label_at} value of each line is the label"
    if recordings.labels:
        return f"labels in {recordings.labels}, in the order of the recordings"
    return f"`{label}` is the label"


def labels_in(file: str, rows: RowsOfFile, decimal: str = ".") -> Iterator[str | None]:
    """Yields the labels of a file; of recordings that cannot be used there is none.

    Raises:
        InputError: The file, or all of its recordings, cannot be read.
    """
    try:
        read = read_rows(file, rows, is_labelled=True, decimal=decimal)
    except UnusableError as error:
        raise InputError(f"{file}: {error}.") from error
    if read.problems and len(read.problems) == read.num_recordings:
        first = min(read.problems)
        raise InputError(
            f"{file}: none of its {count(read.num_recordings, 'recording')} can be used. The first "
            f"is `{read.name_of(first)}`: {read.problems[first]}."
        )
    for place, text in enumerate(read.labels or ()):
        yield None if place in read.problems else text
