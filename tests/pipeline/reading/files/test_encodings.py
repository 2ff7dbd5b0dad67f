import codecs
import csv
import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import sources
from pipeline.reading.files.encodings import detect_common_encoding, detect_encoding
from pipeline.reading.files.pieces import Piece

# Encoding in the config, the codec that writes the file, and the alphabet that it can hold.
ENCODINGS = [
    ("utf-8", "utf-8", "aB1 ,;'\"\n\täß€°漢"),
    ("utf-8", "utf-8-sig", "aB1 ,;'\"\n\täß€°漢"),
    ("utf-8-sig", "utf-8-sig", "aB1 ,;'\"\n\täß€°漢"),
    ("utf-16", "utf-16", "aB1 ,;'\"\n\täß€°漢😀"),
    ("utf-16-le", "utf-16-le", "aB1 ,;'\"\n\täß€°漢"),
    ("utf-16-be", "utf-16-be", "aB1 ,;'\"\n\täß€°漢"),
    ("cp1252", "cp1252", "aB1 ,;'\"\n\täß€°"),
    ("latin-1", "latin-1", "aB1 ,;'\"\n\täß°"),
    ("cp1251", "cp1251", "aB1 ,;'\"\n\tжЯ°"),
    ("cp932", "cp932", "aB1 ,;'\"\n\t温度表"),
]


def read(path, **layout: object):
    piece = Piece(index=0, path=str(path), format="csv", layout=CsvLayout(**layout))
    batches = [raw.batch for raw in sources.read_piece(piece)]
    names = sources.read_schema(piece).names
    rows = [row for batch in batches for row in batch.to_pylist()]
    return names, [[row[name] for name in names] for row in rows]


@settings(max_examples=150)
@given(data=st.data())
def test_any_table_survives_any_encoding_delimiter_and_quoting(data):
    encoding, codec, alphabet = data.draw(st.sampled_from(ENCODINGS))
    delimiter = data.draw(st.sampled_from(",;\t|"))
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    line_end = data.draw(st.sampled_from(["\n", "\r\n"]))
    width = data.draw(st.integers(2, 4))
    cells = st.text(alphabet, max_size=5)
    row = st.lists(cells, min_size=width, max_size=width).filter(any)
    rows = data.draw(st.lists(row, max_size=8))
    names = [f"n{place}" for place in range(width)]
    written = data.draw(st.sampled_from(["{}", " {}", "{}\u00a0" if "漢" in alphabet else "{} "]))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerows([[written.format(name) for name in names], *rows])
    given_delimiter = data.draw(st.sampled_from([delimiter, None]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(text.getvalue().encode(codec))
        found = read(path, encoding=encoding, delimiter=given_delimiter)
    expected = [[cell.encode() or None for cell in row] for row in rows]
    assert found == (names, expected)


def test_a_large_file_in_another_encoding_is_read_whole(tmp_path):
    path = tmp_path / "a.csv.gz"
    rows = [f"{number};größe {number}" for number in range(100_000)]  # two chunks
    path.write_bytes(gzip.compress("\n".join(["nr;maß", *rows]).encode("cp1252"), 1))
    names, values = read(path, encoding="cp1252")
    assert names == ["nr", "maß"]
    assert [f"{a.decode()};{b.decode()}" for a, b in values] == rows


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("cp1252", b"a,b\n1,x\n2,\x81\n"),  # 0x81 is no character in cp1252
        ("utf-16", codecs.BOM_UTF16_LE + "a,b\n1,x\n2,".encode("utf-16-le") + b"\x00\xdc"),
        ("utf-16", codecs.BOM_UTF16_LE + "a,b\n1,x\n2,y".encode("utf-16-le") + b"\x00"),
        ("cp932", b"a,b\n1,x\n2,\x81"),
    ],
)
def test_a_character_that_the_encoding_lacks_is_an_error_with_its_line(tmp_path, encoding, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv, line 3: .*Set `data\.encoding`"):
        read(path, encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "content", "marked"),
    [
        ("cp1252", codecs.BOM_UTF8 + b"a,b\n", "utf-8"),
        ("utf-8", codecs.BOM_UTF16_LE + "a,b\n".encode("utf-16-le"), "utf-16"),
        ("utf-16", codecs.BOM_UTF8 + b"a,b\n", "utf-8"),
    ],
)
def test_a_byte_order_mark_of_another_encoding_is_an_error(tmp_path, encoding, content, marked):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.csv, line 1: .*Set `data\.encoding: {marked}`"):
        read(path, encoding=encoding)


@pytest.mark.parametrize(
    ("text", "codec", "expected"),
    [
        ("a,b\n1,2\n", "ascii", "utf-8"),
        ("druck,°C\n1,2\n", "utf-8", "utf-8"),
        ("druck,°C\n1,2\n", "utf-8-sig", "utf-8"),
        ("druck,°C\n1,2\n", "utf-16", "utf-16"),
        ("druck,b\n1,2\n", "utf-16-le", "utf-16-le"),
        ("druck,b\n1,2\n", "utf-16-be", "utf-16-be"),
        ("druck,°C\n1,2\n", "cp1252", "cp1252"),
        ("ort;störung\nStraße;größer\n", "cp1252", "cp1252"),
        ("température,défaut\nélevé,non\n", "latin-1", "cp1252"),
        ("датчик,дефект\nжёлтый,нет\n" * 20, "cp1251", "cp1251"),
        ("温度,故障\nはい,いいえ\n" * 20, "cp932", "cp932"),
    ],
)
def test_the_encoding_of_a_file_is_detected(tmp_path, text, codec, expected):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(codec))
    assert detect_encoding(str(path)) == expected


def test_a_late_byte_that_is_not_utf8_counts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * 600_000 + b"2,gr\xf6\xdfer\n")
    assert detect_encoding(str(path)) == "cp1252"


def test_a_file_whose_lines_have_two_encodings_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    lines = "gerät,x\n" + "öl,1\n" * 30
    path.write_bytes(lines.encode() + "öl,2\n".encode("cp1252"))
    with pytest.raises(InputError, match="line 1 is UTF-8, and line 32 is not"):
        detect_encoding(str(path))


def test_one_encoding_fits_all_files_or_both_are_named(tmp_path):
    texts = {"a": b"x,y\n1,2\n", "b": b"x,gr\xf6\xdfe\n", "c": "x,größe\n".encode()}
    for name, content in texts.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    paths = {name: f"{tmp_path}/{name}.csv" for name in texts}
    assert detect_common_encoding([paths["a"], paths["b"]]) == "cp1252"
    with pytest.raises(InputError, match=r"cp1252 \(.*b\.csv\), utf-8 \(.*c\.csv\)"):
        detect_common_encoding(list(paths.values()))


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1252", "Müller"), ("latin-1", "Müller"), ("cp1251", "Жук")]
)
def test_a_utf8_file_is_not_read_as_a_code_page(tmp_path, encoding, text):
    path = tmp_path / "a.csv"
    path.write_text(f"maker,x\n{text},1\n", encoding="utf-8")
    piece = Piece(index=0, path=str(path), format="csv", layout=CsvLayout(encoding=encoding))
    with pytest.raises(InputError, match=f"is UTF-8, and `data.encoding` is {encoding}"):
        list(sources.read_piece(piece))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "is a gzip file, not text. Name it `.csv.gz`"),
        (b"PAR1\0\0", "is a Parquet file, not text. Name it `.parquet`"),
        (b"PK\x03\x04\0", "is a spreadsheet or a zip archive, not text. Name it `.xlsx`"),
    ],
)
def test_another_format_under_the_name_of_a_csv_file_is_named(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        detect_encoding(str(path))


def test_text_of_a_code_page_that_is_valid_utf8_by_chance_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("maker,x\nMaß€,1\n", encoding="cp1252")  # as UTF-8, a digit of N'Ko
    piece = Piece(index=0, path=str(path), format="csv", layout=CsvLayout(encoding="cp1252"))
    [raw] = sources.read_piece(piece)
    assert raw.batch.column(0).to_pylist() == ["Maß€".encode()]


@pytest.mark.parametrize("contract", [encoding for encoding, _, _ in ENCODINGS])
@pytest.mark.parametrize(("codec", "alphabet"), [each[1:] for each in ENCODINGS])
def test_a_file_in_another_encoding_than_the_contract_s_is_read_or_refused(
    contract, codec, alphabet, tmp_path
):
    path = tmp_path / "a.csv"
    letters = [letter for letter in alphabet if letter.isalnum()]
    path.write_bytes("\n".join(["name,y", *(f"{each},1" for each in letters * 3)]).encode(codec))
    refusal = None
    try:
        names, rows = read(path, encoding=contract)
    except InputError as error:
        refusal = str(error)
    if refusal is not None:
        assert str(path) in refusal
    else:
        assert (names, len(rows)) == (["name", "y"], 3 * len(letters))
