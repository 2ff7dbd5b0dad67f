"""Bodies within bounds: what they would take as values, unpacked, and side by side."""

import gzip
import json
import threading
import time
import tracemalloc

import pytest

from serving.errors import ServingError
from serving.rest import documents
from serving.rest.bodies.json_parsing import parse
from serving.rest.documents import (
    MAX_VALUE_BYTES,
    TooLargeError,
    check_values,
    open_document,
    unpack,
    value_bytes,
)
from serving.runtime.deadlines import deadline_at

MIB = 2**20


@pytest.mark.parametrize(
    "item",
    [b"[]", b"[1]", b"{}", b'{"":0}', b'{"a":[1]}', b"[[[[[[[[1]]]]]]]]", b"1.5", b'"abcd"', b"1"],
)
def test_the_estimate_is_above_the_true_size_and_within_five_times_of_it(item):
    body = b"[" + b",".join([item] * 20_000) + b"]"
    tracemalloc.start()
    value = parse(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(value) == 20_000
    assert peak < value_bytes(body) < max(5 * peak, 50 * len(body))


def test_values_beyond_the_limit_are_refused_with_both_sizes():
    body = b"[" + b"[]," * 100 + b"1]"
    check_values(body, 20_000)
    with pytest.raises(
        TooLargeError, match=r"take about 1\d{4} bytes or more; the limit is 10000 bytes"
    ):
        check_values(body, 10_000)


def test_the_characters_of_texts_are_no_values():
    body = json.dumps(["[,:{" * 10_000, '\\"' * 10_000]).encode()
    assert value_bytes(body) > MIB
    check_values(body, MIB // 4)


def test_a_plain_body_of_128_mib_of_numbers_is_within_the_limit():
    # 12 characters a number; 11 million numbers.
    assert value_bytes(b"0.123456789," * 1000) * 2**27 / 12_000 < MAX_VALUE_BYTES


def test_gzip_is_unpacked():
    body = json.dumps({"instances": list(range(1000))}).encode()
    assert unpack(gzip.compress(body), max_bytes=10_000) == body


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"{}", mtime=0)[:-3], gzip.compress(b"{}", mtime=0) + b"more"],
    ids=["empty", "other", "cut", "followed"],
)
def test_invalid_gzip_is_an_empty_body(body):
    assert unpack(body, max_bytes=100) == b""


def test_an_unpacked_body_beyond_the_limit_is_refused_with_it():
    with pytest.raises(TooLargeError, match="unpacked body exceeds the limit of 1048576 bytes"):
        unpack(gzip.compress(b" " * (MIB + 1)), max_bytes=MIB)
    assert len(unpack(gzip.compress(b" " * MIB), max_bytes=MIB)) == MIB


def test_a_small_body_of_many_values_is_refused_before_it_is_unpacked_whole():
    # 16 kB that unpack to 16 MB, and would take 400 MB as values.
    bomb = gzip.compress(b'{"instances": [' + b"[]," * 5_500_000 + b"1]}", 9)
    assert len(bomb) < 17_000
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="JSON values of the body would take about"):
        unpack(bomb, max_bytes=100 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * MIB


def test_unpacking_and_parsing_end_at_the_deadline():
    packed = gzip.compress(b" " * 50 * MIB)
    with deadline_at(time.monotonic() - 1), pytest.raises(ServingError, match="Timed out"):
        unpack(packed, max_bytes=100 * MIB)
    body = b'{"instances": [' + b"1," * MIB + b"1]}"
    with (
        deadline_at(time.monotonic() + 0.01),
        pytest.raises(ServingError, match="Timed out"),
        open_document(body),
    ):
        pass


def test_a_large_document_waits_until_it_fits_beside_the_others(monkeypatch):
    body = b'{"instances": [' + b"1," * MIB + b"1]}"
    monkeypatch.setattr(documents, "_parsing", documents._SharedBytes(value_bytes(body) + MIB))
    opened = threading.Event()

    def open_second() -> None:
        with open_document(body):
            opened.set()

    second = threading.Thread(target=open_second)
    with open_document(body):
        second.start()
        assert not opened.wait(0.5)
        with open_document(b'{"instances": []}'):  # a small one does not wait
            pass
        with (
            deadline_at(time.monotonic() + 0.05),
            pytest.raises(ServingError, match="Timed out"),
            open_document(body),
        ):
            pass
    assert opened.wait(10)
    second.join(10)


def test_a_document_larger_than_all_is_opened_alone(monkeypatch):
    body = b'{"instances": [' + b"1," * MIB + b"1]}"
    monkeypatch.setattr(documents, "_parsing", documents._SharedBytes(MIB))
    with open_document(body) as document:
        assert len(document.find("instances")) == MIB + 1


def test_texts_with_quotes_and_backslashes_have_no_values_inside():
    text = json.dumps("[" * 100 + '\\"' * 3 + '","' * 100 + "\\")
    body = f'{{"instances": [{text}, {text}]}}'.encode()
    plain = b'{"instances": ["", ""]}'
    limit = len(body) + value_bytes(plain)
    check_values(body, limit)
    with pytest.raises(TooLargeError, match=f"about {limit - len(plain)} bytes"):
        check_values(body, limit - len(plain) - 1)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_texts_may_be_cut_anywhere_where_their_values_are_counted(monkeypatch, size):
    monkeypatch.setattr(documents, "_PIECE", size)
    body = b'["a[\\\\", "\\"[,", [1, 2], "\\\\\\"["]'
    bare = b'["", "", [1, 2], ""]'
    # The quotes of a piece come last; only their number matters.
    assert sorted(b"".join(documents._bare_pieces(body))) == sorted(bare)


def test_a_text_beyond_latin_1_counts_four_bytes_a_character():
    wide = '["' + "a" * 1000 + '\u6f22"]'
    assert value_bytes(wide.encode()) > 4 * 1000 > value_bytes(b'["' + b"a" * 1000 + b'"]')
