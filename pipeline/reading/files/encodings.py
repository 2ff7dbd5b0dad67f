"""Character encodings of CSV files: which one a file has, and which ones are the same."""

import codecs
import re
from collections.abc import Iterator, Sequence

from charset_normalizer import from_bytes

from common.errors import InputError
from pipeline.reading.files.pieces import open_stream

# Byte order marks, the longer ones first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip file", ".csv.gz"),
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"PK\x03\x04", "a spreadsheet or a zip archive", ".xlsx"),
)
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
_CHUNK_BYTES = 1 << 20
_MAX_GUESS_BYTES = 1 << 16
# Characters of tables in western European languages, besides ASCII.
_WESTERN_LETTERS = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒ")
_WESTERN_SIGNS = frozenset("°µ±²³€§\u2013\u2014\u2018\u2019“”„…·\u00d7÷½¼¾®©™¿¡ºª‰«»\u00a0")
_WORD = re.compile(r"[^\W\d_]+")
_SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])[²³¿¡ºª¼½¾±](?=[^\W\d_])")
# Other encodings in use for tables.
_CANDIDATES = (
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("cp932", "gb18030", "big5", "cp949"),
)


def is_utf8(encoding: str) -> bool:
    """Tells whether text in this encoding is UTF-8."""
    return codecs.lookup(encoding).name in _UTF8


def encoding_of_mark(head: bytes) -> str | None:
    """Returns the encoding whose byte order mark a file begins with, or None."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


def same_family(marked: str, encoding: str) -> bool:
    """Tells whether a file with the byte order mark of one encoding can be in another one."""
    if is_utf8(marked):
        return is_utf8(encoding)
    return codecs.lookup(encoding).name.startswith(marked)


def same_encoding(one: str, other: str) -> bool:
    """Tells whether two names are of one encoding; UTF-8 with and without a mark is one."""
    if is_utf8(one):
        return is_utf8(other)
    return codecs.lookup(one) == codecs.lookup(other)


def is_utf8_text(head: bytes, encoding: str) -> bool:
    """Tells whether a file's first bytes are UTF-8, although it should be in a code page.

    Text of a single-byte code page is hardly ever UTF-8 for characters that the code page has:
    in cp1252, each would be a letter such as `Ã` before a sign.
    """
    single_byte = codecs.lookup(encoding).name.startswith(("cp125", "iso8859"))
    if not single_byte or head.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head).encode(encoding)
    except UnicodeError:
        return False
    return True


def detect_encoding(path: str) -> str:
    """Returns the character encoding of a text file, as a value for `data.encoding`.

    A byte order mark decides; else a file that is valid UTF-8 from its first to its last byte is
    UTF-8; else the encoding is guessed from the first lines that are not ASCII.

    Raises:
        InputError: The file cannot be read, or no encoding fits.
    """
    return _detect(path) or "utf-8"


def detect_common_encoding(files: Sequence[str]) -> str:
    """Returns the one encoding of several text files; files that are pure ASCII fit any.

    Raises:
        InputError: Two files have different encodings, or one cannot be read.
    """
    by_encoding: dict[str, str] = {}
    for file in files:
        encoding = _detect(file)
        if encoding is not None:
            by_encoding.setdefault(encoding, file)
    if len(by_encoding) > 1:
        listed = ", ".join(f"{encoding} ({file})" for encoding, file in by_encoding.items())
        raise InputError(
            f"The files have several encodings: {listed}. `data.encoding` is the same for all "
            "files; save them in one encoding, such as UTF-8."
        )
    return next(iter(by_encoding), "utf-8")


def _detect(path: str) -> str | None:
    """Returns a file's encoding; None for pure ASCII."""
    try:
        with open_stream(path) as stream:
            head = stream.read(_CHUNK_BYTES)
        marked = encoding_of_mark(head)
        if marked is not None:
            return marked
        _check_text(path, head)
        if b"\0" in head:
            return _detect_wide(path, head)
        start = _first_non_utf8(path)
        if start is None:
            return None if _is_ascii(path) else "utf-8"
        encoding = _guess(path, start)
        if codecs.lookup(encoding).name.startswith(("cp125", "cp874")):
            _check_one_encoding(path)
        return encoding
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error}.") from error


def _check_text(path: str, head: bytes) -> None:
    """Refuses other formats under the name of a CSV file, by their first bytes."""
    for mark, what, suffix in _OTHER_FORMATS:
        if head.startswith(mark):
            raise InputError(f"{path} is {what}, not text. Name it `{suffix}`, or give a CSV file.")


def _detect_wide(path: str, head: bytes) -> str:
    """Returns the UTF-16 of a file without a mark, by where its zero bytes are."""
    odd, even = head[1::2].count(0), head[::2].count(0)
    if max(odd, even) > 4 * min(odd, even):
        return "utf-16-le" if odd > even else "utf-16-be"
    raise InputError(f"{path} is no text: it contains zero bytes. Give a CSV file.")


def _first_non_utf8(path: str) -> int | None:
    """Returns the place of the first byte that is not UTF-8, or None."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    with open_stream(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return done - pending + error.start
            done += len(chunk)
    return done if decoder.getstate()[0] else None


def _check_one_encoding(path: str) -> None:
    """Refuses a file of which some lines are UTF-8 and some are not, as joined files may be.

    A letter such as `ä` in UTF-8 would be an odd pair of signs in a code page.

    Raises:
        InputError: Names a line of each kind.
    """
    utf8 = other = 0
    for number, line in enumerate(_lines(path), 1):
        if line.isascii():
            continue
        if _is_western_utf8(line):
            utf8 = utf8 or number
        else:
            other = other or number
        if utf8 and other:
            break
    if utf8 and other:
        raise InputError(
            f"{path} has lines in several encodings: line {utf8} is UTF-8, and line {other} is "
            "not. Their letters cannot all be read. Save the whole file as UTF-8."
        )


def _lines(path: str) -> Iterator[bytes]:
    rest = b""
    with open_stream(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    yield rest


def _is_western_utf8(line: bytes) -> bool:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not {c for c in text if not c.isascii()} - _WESTERN_LETTERS - _WESTERN_SIGNS


def _is_ascii(path: str) -> bool:
    with open_stream(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            if not chunk.isascii():
                return False
    return True


def _guess(path: str, start: int) -> str:
    """Guesses the encoding of a file that is not UTF-8 from its lines that are not ASCII."""
    sample = _lines_not_ascii(path, start)
    if _is_western(sample):
        return "cp1252"
    best = from_bytes(sample, cp_isolation=list(_CANDIDATES), threshold=0.5).best()
    if best is None:
        raise InputError(
            f"{path} is not UTF-8, and its encoding cannot be told. Save it as UTF-8, or set "
            "`data.encoding`."
        )
    return codecs.lookup(best.encoding).name


def _is_western(sample: bytes) -> bool:
    """Tells whether a sample reads as western European text in cp1252.

    A statistical guess needs more letters than the degree sign of a header gives it.
    """
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if {c for c in text if not c.isascii()} - _WESTERN_LETTERS - _WESTERN_SIGNS:
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    num_accented = sum(letter in _WESTERN_LETTERS for word in words for letter in word)
    # Cyrillic or Chinese text would be words of accented letters alone.
    return 2 * num_accented <= sum(map(len, words)) and not _SIGN_IN_WORD.search(text)


def _lines_not_ascii(path: str, start: int) -> bytes:
    lines: list[bytes] = []
    size = done = 0
    with open_stream(path) as stream:
        while size < _MAX_GUESS_BYTES and (chunk := stream.read(_CHUNK_BYTES)):
            if done + len(chunk) > start:
                new = [line for line in chunk.splitlines(keepends=True) if not line.isascii()]
                lines += new
                size += sum(map(len, new))
            done += len(chunk)
    return b"".join(lines)[:_MAX_GUESS_BYTES]
