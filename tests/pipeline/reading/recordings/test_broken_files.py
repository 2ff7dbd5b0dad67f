"""Broken raw files: each is refused with its reason, or left out if `max_bad_rows` allows it."""

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.io.wavfile
import soundfile
from PIL import Image

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from tests.pipeline.reading.recordings.raw_files import assembled, rows, write_csv

_FOLDER: dict[str, Any] = {"form": "files", "label_from": "folder"}


def _csv(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


def _without_adobe(content: bytes) -> bytes:
    """A JPEG without the segment in which Adobe says how its colours are meant."""
    place = content.index(b"\xff\xee")
    return content[:place] + content[place + 16 :]


def _picture(kind: str, mode: str = "RGB") -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(content, kind)
    return content.getvalue()


def _sound(kind: str, num_samples: int = 4_000) -> bytes:
    content = io.BytesIO()
    samples = np.random.default_rng(0).normal(size=num_samples) / 10
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    soundfile.write(content, samples, 8_000, format=kind, subtype=subtype)
    return content.getvalue()


def _float_sound(samples: list[float]) -> bytes:
    content = io.BytesIO()
    scipy.io.wavfile.write(content, 8_000, np.array(samples, np.float32))
    return content.getvalue()


def _npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _mat(**arrays: Any) -> bytes:
    content = io.BytesIO()
    scipy.io.savemat(content, arrays)
    return content.getvalue()


def _hdf5(**arrays: Any) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return content.getvalue()


def _changed(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


_GOOD_CSV = _csv("t,x", "0,1", "0.1,2", "0.2,3")
_GOOD_NPZ = _npz(x=np.arange(9.0))
_WAV = _sound("WAV")

# The broken file's name, its content, a good file of the same kind, and the reason.
_TABLES: dict[str, tuple[str, bytes, bytes, str]] = {
    "times go backwards": (
        "b.csv", _csv("t,x", "0,1", "0.2,2", "0.1,3"), _GOOD_CSV,
        "its times go backwards at 1 place, first by 0.1 s at sample 3",
    ),
    "times descend": (
        "b.csv", _csv("t,x", "0.2,1", "0.1,2", "0,3"), _GOOD_CSV, "its times descend",
    ),
    "one time with two values": (
        "b.csv", _csv("t,x", "0,1", "0.1,2", "0.1,3", "0.2,4"), _GOOD_CSV,
        "several rows with different values or labels for 1 time, first sample 3",
    ),
    "irregular times": (
        "b.csv", _csv("t,x", "0,1", "1,2", "1.1,3", "7,3", "7.1,5", "20,3"), _GOOD_CSV,
        "its times are irregular: only 20% of the periods",
    ),
    "long gaps": (
        "b.csv", _csv("t,x", *(f"{t},{t}" for t in (0, 1, 2, 3, 4, 90_000))), _GOOD_CSV,
        "its 6 samples have gaps that are 89,995 periods of 1 s long",
    ),
    "no time": (
        "b.csv", _csv("t,x", "0,1", ",2", "0.2,3"), _GOOD_CSV,
        "1 sample without a time, first sample 2",
    ),
    "no such time": (
        "b.csv", _csv("t,x", "0,1", "soon,2"), _GOOD_CSV,
        "column `t`, row 2: `soon` found, expected seconds, or a time such as",
    ),
    "milliseconds since 1970": (
        "b.csv", _csv("t,x", "1700000000000,1", "1700000000100,2"), _GOOD_CSV,
        "declare others in data.columns.t",
    ),
    "a text among numbers": (
        "b.csv", _csv("t,x", "0,1", "0.1,ERR", "0.2,3"), _GOOD_CSV,
        "column `x`, row 2: `ERR` found, expected a number",
    ),
    "a row of another length": (
        "b.csv", _csv("t,x", "0,1", "0.1,2,9,9", "0.2,3"), _GOOD_CSV,
        "line 3: has 4 fields, the header has 2",
    ),
    "only a header": ("b.csv", _csv("t,x"), _GOOD_CSV, "it has no rows"),
    "an empty file": ("b.csv", b"", _GOOD_CSV, "is empty"),
    "no values": (
        "b.csv", _csv("t,x", "0,", "0.1,NA"), _GOOD_CSV, "none of its channels has a value",
    ),
    "no channel": ("b.csv", _csv("t,y", "0,1", "0.1,1"), _GOOD_CSV, "it has none of the channels"),
    "no column of times": ("b.csv", _csv("x", "1", "2"), _GOOD_CSV, "it has no column `t`"),
    "not UTF-8": ("b.csv", b"t,\xffx\n0,1\n", _GOOD_CSV, "is not UTF-8 text"),
    "arrays of two lengths": (
        "b.npz", _npz(x=np.arange(9.0), y=np.arange(8.0)), _GOOD_NPZ,
        "its arrays differ in length: `y` has 8 samples, others have 9",
    ),
    "a truncated archive": ("b.npz", _GOOD_NPZ[:100], _GOOD_NPZ, "it is not a readable .npz file"),
    "text named .npy": ("b.npy", b"hello", _GOOD_NPZ, "it is not a NumPy file"),
    "a cube": (
        "b.npz", _npz(x=np.zeros((4, 4, 4))), _GOOD_NPZ,
        "its array `x` has 3 dimensions (4, 4, 4)",
    ),
    "a truncated MAT file": (
        "b.mat", _mat(x=np.arange(99.0))[:300], _mat(x=np.arange(9.0)),
        "it is not a readable .mat file",
    ),
    "a truncated HDF5 file": (
        "b.h5", _hdf5(x=np.arange(99.0))[:900], _hdf5(x=np.arange(9.0)),
        "it is not a readable .h5 file",
    ),
    "a negative rate": (
        "b.npz", _npz(x=np.arange(9.0), fs=-1.0), _npz(x=np.arange(9.0), fs=2.0),
        "its sampling rate `fs` is '-1'; expected a number above 0, in Hz, or with its unit",
    ),
    "a rate in a unit of none": (
        "b.npz", _npz(x=np.arange(9.0), fs="2 mHz"), _npz(x=np.arange(9.0), fs=2.0),
        "its sampling rate `fs` is '2 mHz'; expected a number above 0",
    ),
    "two rates": (
        "b.npz", _npz(x=np.arange(9.0), fs=2.0, sample_rate=4.0), _npz(x=np.arange(9.0), fs=2.0),
        "it has two sampling rates: 2 Hz in `fs` and 4 Hz in `sample_rate`; keep the right one",
    ),
}  # fmt: skip
_SOUNDS: dict[str, tuple[str, bytes, bytes, str]] = {
    "a header that promises more": (
        "b.wav", _WAV[:3_000], _WAV,
        "it is truncated: its header states 8,000 bytes of samples, and 2,956 follow",
    ),
    "a header that contradicts itself": (
        "b.wav", _changed(_WAV, 22, struct.pack("<H", 2)), _WAV,
        "2 channels of 16 bit at 8,000 Hz are not 2 bytes a frame",
    ),
    "text named .wav": ("b.wav", b"no sound at all " * 9, _WAV, "it is not a readable .wav file"),
    "FLAC named .wav": (
        "b.wav", _sound("FLAC"), _WAV,
        "its suffix is .wav, but its content is FLAC; correct the suffix",
    ),
    "MP3 named .wav": (
        "b.wav", _sound("MP3"), _WAV, "its suffix is .wav, but its content is MP3; convert it",
    ),
    "samples that are no numbers": (
        "b.wav", _float_sound([0.1, np.nan, np.inf]), _WAV,
        "2 of its 3 samples are no finite numbers",
    ),
    "no samples": ("b.wav", _sound("WAV", 0), _WAV, "it has no samples"),
    "an empty file": ("b.wav", b"", _WAV, "it is empty"),
    "truncated FLAC": (
        "b.flac", _sound("FLAC")[:2_000], _WAV, "it is not a readable .flac file",
    ),
    "truncated OGG": ("b.ogg", _sound("OGG", 80_000)[:9_000], _WAV, "it is truncated"),
}  # fmt: skip
# One black pixel of 5 bits a colour, in a line of 4 bytes.
_BMP_OF_16_BITS = (
    struct.pack("<2sIHHI", b"BM", 58, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 0, 4, 0, 0, 0, 0)
    + bytes(4)
)
_PICTURES: dict[str, tuple[str, bytes, bytes, str]] = {
    **{
        f"truncated {kind}": (
            f"b.{kind.lower()}", _picture(kind)[:-200], _picture("PNG"),
            "it cannot be decoded: ",
        )
        for kind in ("PNG", "JPEG", "BMP", "GIF")
    },
    "a PNG without its end": (
        "b.png", _picture("PNG")[:-12], _picture("PNG"),
        "it is truncated: the end of the PNG file is missing",
    ),
    "text named .png": ("b.png", b"hello", _picture("PNG"), "its content is no picture"),
    "JPEG named .png": (
        "b.png", _picture("JPEG"), _picture("PNG"), "its suffix is .png, but its content is JPEG",
    ),
    "colours of print that nothing says the meaning of": (
        "b.jpg", _without_adobe(_picture("JPEG", "CMYK")), _picture("PNG"),
        "its colours are stored as CMYK without Adobe's marker",
    ),
    "a palette": (
        "b.bmp", _picture("BMP", "P"), _picture("PNG"), "it is a BMP of 8 bits, mode P",
    ),
    "a BMP of 16 bits": (
        "b.bmp", _BMP_OF_16_BITS, _picture("PNG"), "it is a BMP of 16 bits, mode RGB",
    ),
}  # fmt: skip
_ALL = [
    *(("table", name, case) for name, case in _TABLES.items()),
    *(("audio", name, case) for name, case in _SOUNDS.items()),
    *(("image", name, case) for name, case in _PICTURES.items()),
]


@pytest.mark.parametrize(
    ("media", "case"),
    [(media, case) for media, _, case in _ALL],
    ids=[f"{media}: {name}" for media, name, _ in _ALL],
)
def test_a_broken_file_is_refused_or_left_out_with_its_reason(
    tmp_path: Path, media: str, case: tuple[str, bytes, bytes, str]
):
    name, content, good, reason = case
    folder = tmp_path / "raw/ok"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    suffix = ".npz" if name == "b.npy" else Path(name).suffix
    suffix = {"audio": ".wav", "image": ".png"}.get(media, suffix)
    for number in (1, 2, 3):
        (folder / f"good{number}{suffix}").write_bytes(good)
    options = _FOLDER | {"media": media}
    if media == "table" and suffix == ".csv":
        options |= {"time_column": "t"}
    with pytest.raises(InputError, match=re.escape(reason)) as refused:
        assembled(tmp_path, "raw", **options)
    assert str(folder / name) in str(refused.value)
    result = assembled(tmp_path, "raw", data={"max_bad_rows": 1}, **options)
    assert [row["recording"] for row in rows(result)] == ["good1", "good2", "good3"]
    assert [bad.name for bad in result.bad] == ["b"]


def _labels_without_files(folder: Path) -> dict[str, Any]:
    write_csv(folder / "labels.csv", ["id,state", "1,ok", "2,bad", "9,bad"])
    return {"form": "files", "labels": "labels.csv", "id_column": "id"}


def _files_without_labels(folder: Path) -> dict[str, Any]:
    write_csv(folder / "labels.csv", ["id,state", "1,ok"])
    return {"form": "files", "labels": "labels.csv", "id_column": "id"}


def _two_labels_of_a_file(folder: Path) -> dict[str, Any]:
    write_csv(folder / "labels.csv", ["id,state", "1,ok", "2,ok", "2.csv,ok", "2,bad"])
    return {"form": "files", "labels": "labels.csv", "id_column": "id"}


def _one_id_of_two_files(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/night/1.csv", ["x", "1", "2"])
    write_csv(folder / "labels.csv", ["id,state", "1,ok", "2,bad"])
    return {"form": "files", "labels": "labels.csv", "id_column": "id"}


def _no_sub_folders(folder: Path) -> dict[str, Any]:
    return dict(_FOLDER)


def _two_labels_within_an_id(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/1.csv", ["id,x,state", "a,1,ok", "a,2,bad", "b,1,ok", "b,2,ok"])
    (folder / "raw/2.csv").unlink()
    return {"form": "long", "id_column": "id"}


def _rows_without_an_id(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/1.csv", ["id,x,state", "a,1,ok", ",2,ok", "b,1,ok", "b,2,ok"])
    (folder / "raw/2.csv").unlink()
    return {"form": "long", "id_column": "id"}


def _a_sample_without_a_label(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/1.csv", ["x,state", "1,ok", "2,"])
    write_csv(folder / "raw/2.csv", ["x,state", "1,ok", "2,bad"])
    return {"form": "stream", "window": {"num_samples": 2}}


def _a_stream_without_any_label(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/1.csv", ["x,state", "1,", "2,"])
    write_csv(folder / "raw/2.csv", ["x,state", "1,ok", "2,bad"])
    return {"form": "stream", "window": {"num_samples": 2}}


def _a_sample_of_several_streams_without_a_label(folder: Path) -> dict[str, Any]:
    write_csv(folder / "raw/1.csv", ["id,x,state", "a,1,ok", "a,2,", "b,1,ok", "b,2,bad"])
    (folder / "raw/2.csv").unlink()
    return {"form": "stream", "id_column": "id", "window": {"num_samples": 2}}


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (_labels_without_files, "`9` has a label, but there is no such recording"),
        (_files_without_labels, "has no row for `2.csv`, so it has no label"),
        (
            _two_labels_of_a_file,
            "has several rows for `2.csv`, with the labels `ok` and `bad`",
        ),
        (_one_id_of_two_files, "`1` in data.recordings.labels (labels.csv) means several files"),
        (_no_sub_folders, "it is in no sub-folder of data.path"),
        (_two_labels_within_an_id, "it has two labels: `state` differs between its rows"),
        (_rows_without_an_id, "1 row without an id in `id`"),
        (_a_sample_without_a_label, "1 sample without a label, first row 2"),
        (_a_stream_without_any_label, "2 samples without a label, first row 1"),
        (_a_sample_of_several_streams_without_a_label, "1 sample without a label, first row 2"),
    ],
)
def test_a_missing_or_contradictory_label_is_refused(
    tmp_path: Path, prepare: Callable[[Path], dict[str, Any]], reason: str
):
    for name in ("1", "2"):
        write_csv(tmp_path / f"raw/{name}.csv", ["x", "1", "2"])
    options = prepare(tmp_path)
    with pytest.raises(InputError, match=re.escape(reason)):
        assembled(tmp_path, "raw", **options)


def test_a_channel_that_half_of_the_recordings_lack_is_refused(tmp_path: Path):
    write_csv(tmp_path / "raw/1_ok.csv", ["a,b", "1,2", "2,3"])
    write_csv(tmp_path / "raw/2_ok.csv", ["a", "1", "2"])
    with pytest.raises(InputError, match="The channel `b` is absent in 1 of 2 recordings"):
        assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"time_column": "clock"}, "data.recordings.time_column names the column `clock`"),
        ({"channels": ("x", "z")}, "names the column `z`, which no raw file has"),
        ({"labels": "l.csv", "id_column": "id"}, "data.recordings.labels names"),
    ],
)
def test_an_option_that_names_nothing_is_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
):
    write_csv(tmp_path / "raw/1_ok.csv", ["t,x", "0,1", "1,2"])
    source = {} if "labels" in options else {"label_pattern": "_(ok)"}
    with pytest.raises(InputError, match=re.escape(reason)):
        assembled(tmp_path, "raw", form="files", **source, **options)


def test_an_event_of_an_unknown_recording_is_refused(tmp_path: Path):
    write_csv(tmp_path / "raw/pump.csv", ["t,x", "0,1", "1,2", "2,3"])
    write_csv(tmp_path / "events.csv", ["recording,start,end", "pumpe,1,2"])
    with pytest.raises(InputError, match="names `pumpe`, but there is no such recording"):
        assembled(
            tmp_path, "raw", form="stream", time_column="t", events="events.csv",
            window={"num_samples": 2},
        )  # fmt: skip


def test_an_event_without_an_end_is_refused_with_what_to_write(tmp_path: Path):
    write_csv(tmp_path / "raw/pump.csv", ["t,x", "0,1", "1,2", "2,3"])
    write_csv(tmp_path / "events.csv", ["recording,start,end", "pump,1,"])
    with pytest.raises(InputError, match=r"row 1: the column `end` is empty\. Write when"):
        assembled(
            tmp_path, "raw", form="stream", time_column="t", events="events.csv",
            window={"num_samples": 2},
        )  # fmt: skip


def test_a_folder_without_recordings_is_refused_with_what_it_has(tmp_path: Path):
    for name in ("a.tif", "b.tif", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"found \.tif \(2\), \.txt \(1\)\. Convert TIFF to PNG"):
        assembled(tmp_path, ".", media="image", **_FOLDER)


def test_text_without_numbers_has_no_channels(tmp_path: Path):
    write_csv(tmp_path / "raw/ok/1.csv", ["a,b", "x,1", "y,1"])
    with pytest.raises(InputError, match=r"No channels found in .*Its columns are `a`, `b`"):
        assembled(tmp_path, "raw", **_FOLDER)


@pytest.mark.parametrize("rows_of_table", [[], [",1,ok", ",2,ok"]])
def test_a_long_table_without_recordings_is_refused(tmp_path: Path, rows_of_table: list[str]):
    write_csv(tmp_path / "long.csv", ["id,x,state", *rows_of_table])
    with pytest.raises(
        InputError, match=r"No recording of long\.csv can be used|No channels found"
    ):
        assembled(tmp_path, "long.csv", form="long", id_column="id")


@pytest.mark.parametrize(
    ("options", "above", "wrong", "reason"),
    [
        # One line less or more than skip_rows: other names, so that no channel is there.
        ({"skip_rows": 2}, ["Model,X", "", "t,acc"], ["Model,X", "t,acc"], "no column `t`"),
        ({"skip_rows": 1}, ["Model,X", "t,acc"], ["Model,X", "Serial,7", "t,acc"], "no column `t`"),
        (
            {"skip_rows": 2, "header": ("t", "acc")},
            ["# X", "# t,acc"],
            ["# t,acc"],
            "the last of these lines in .* is a row",
        ),
    ],
)
def test_a_recording_with_other_lines_before_its_table_is_bad(
    tmp_path: Path, options: Any, above: list[str], wrong: list[str], reason: str
):
    samples = [f"0.{number},{number}" for number in range(4)]
    for name in ("1_ok", "2_bad", "3_ok"):
        write_csv(tmp_path / f"raw/{name}.csv", [*above, *samples])
    write_csv(tmp_path / "raw/4_bad.csv", [*wrong, *samples])
    result = assembled(
        tmp_path,
        "raw",
        form="files",
        label_pattern="_(ok|bad)",
        time_column="t",
        channels=("acc",),
        data={"max_bad_rows": 1, **options},
    )
    assert [row["acc"] for row in rows(result)] == [[0.0, 1.0, 2.0, 3.0]] * 3
    [bad] = result.bad
    assert re.search(reason, bad.reason)


@pytest.mark.parametrize(
    ("units", "words"),
    [("s,g", "column `t` is in s, and in ms"), ("ms,mV", "column `acc` is in mV, and in g")],
)
def test_a_file_with_a_row_of_other_units_is_bad(tmp_path, units, words):
    lines = [f"{place * 10},{place}" for place in range(9)]
    for name, row in (("ok/a.csv", "ms,g"), ("bad/b.csv", units)):
        write_csv(tmp_path / "runs" / name, ["t,acc", row, *lines])
    form = ColumnFormat(type="time", unit="ms", elapsed=True)
    result = assembled(
        tmp_path, "runs", time_column="t", units=[("acc", "g")], **_FOLDER,
        data={"units_row": True, "columns": {"t": form}, "max_bad_rows": 1},
    )  # fmt: skip
    assert [row["sampling_rate_hz"] for row in rows(result)] == [100.0]
    assert result.bad[0].reason.startswith(words)
