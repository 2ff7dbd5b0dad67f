import re
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config import Data
from pipeline.recording_options import Recordings, check_recordings

_STREAM = {"form": "stream", "window": {"num_samples": 8}}
_IMAGES = {"form": "files", "media": "image"}
_ROWS = {"array": "X", "label": "y"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "files", "label_from": "folder", "label_pattern": "(a)"},
         "several sources of the label, `label_from` and `label_pattern`"),
        ({"form": "long"}, "form `long` needs `id_column`"),
        ({"form": "files", "labels": "l.csv"}, "`labels` needs `id_column`"),
        ({"form": "files", "id_column": "id"}, "`id_column` is a column of `labels`"),
        ({"form": "stream"}, "form `stream` needs `window`"),
        (_STREAM | {"labels": "l.csv"}, "`labels` does not go with form `stream`"),
        (_STREAM | {"events": "e.csv"}, "`events` needs `time_column`"),
        ({"form": "files", "events": "e.csv"}, "`events` does not go with form `files`"),
        ({"form": "long", "id_column": "i", "label_from": "folder"},
         "`label_from` does not go with form `long`"),
        ({"form": "files", "label_pattern": "ok|bad"}, "must have one group"),
        ({"form": "files", "label_pattern": "(ok"}, "is not a regular expression"),
        ({"form": "files", "column": "x"}, "`column` is for media `audio` and `image` only"),
        (_IMAGES, "media `image` needs one of `labels`, `label_from` and `label_pattern`"),
        (_IMAGES | {"label_from": "folder", "time_column": "t"},
         "`time_column` does not go with media `image`"),
        (_STREAM | {"media": "audio"}, "media `audio` needs form `files`, got `stream`"),
        ({"form": "files", "channels": ["stretch"]}, "names `stretch`, which has another role"),
        ({"form": "files", "channels": ["a", "a"]}, "names a column twice"),
        ({"form": "files", "from_path": {"machine": "a"}}, "must have one group, the value"),
        ({"form": "files", "from_path": {"recording": "(a)"}}, "names `recording`, which the"),
        (_STREAM | {"from_path": {"m": "(a)"}}, "`from_path` does not go with form `stream`"),
        ({"form": "rows"}, "form `rows` needs `rows`"),
        ({"form": "files", "rows": _ROWS}, "`rows` does not go with form `files`"),
        ({"form": "rows", "rows": _ROWS, "time_column": "t"},
         "`time_column` does not go with form `rows`"),
        ({"form": "rows", "rows": _ROWS, "labels": "y.npy"},
         "needs one of `labels`, `rows.label` and `rows.label_at`, got `labels` and `rows.label`"),
        ({"form": "rows", "rows": {"array": "X"}}, "got none"),
        ({"form": "rows", "rows": {}},
         "needs exactly one of `array`, `groups: true`, and `num_samples`"),
        ({"form": "rows", "rows": {"array": "X", "label_at": "first"}},
         "`label_at` does not go with files of arrays"),
        ({"form": "rows", "rows": {"num_samples": 9, "label": "y"}},
         "`label` does not go with files of text"),
        ({"form": "rows", "rows": {"groups": True, "label_at": "first"}},
         "`label_at` does not go with files of groups"),
        ({"form": "rows", "rows": {"groups": True, "label": "y", "parts": ["train"]}},
         "`parts` does not go with files of groups"),
        (_STREAM | {"window": {}}, "needs exactly one of `num_samples` and `length_s`"),
        (_STREAM | {"window": {"num_samples": 4, "length_s": 2}}, "needs exactly one of"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=re.escape(message)):
        Recordings(**options)


@pytest.mark.parametrize(
    ("options", "column"),
    [(_IMAGES, "image"), (_IMAGES | {"media": "audio"}, "sound"), (_IMAGES | {"column": "x"}, "x")],
)
def test_bytes_have_a_column_of_their_medium_by_default(options: dict[str, Any], column: str):
    assert Recordings(**options, label_from="folder").bytes_column == column


@pytest.mark.parametrize("key", ["format", "window", "wide_signals"])
def test_keys_of_data_that_are_for_ordinary_tables_are_refused(key: str):
    value = {"format": "csv", "window": 2}.get(key, {"u": {"first": "u0", "last": "u9"}})
    with pytest.raises(ValidationError, match=f"`{key}` does not go with `recordings`"):
        Data(path="raw", recordings=Recordings(form="files"), **{key: value})


@pytest.mark.parametrize("label", ["recording", "acc", "id", "t"])
def test_a_label_column_with_another_role_is_refused(label: str):
    recordings = Recordings(form="long", id_column="id", time_column="t", channels=("acc",))
    with pytest.raises(ValueError, match=f"label.column is `{label}`, which is"):
        check_recordings(recordings, label)


def test_options_are_read_back_equal():
    recordings = Recordings(**_STREAM, time_column="t")
    assert Recordings.from_json(recordings.to_json()) == recordings
