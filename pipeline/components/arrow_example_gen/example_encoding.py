"""Column-wise encoding of typed Arrow batches as tf.Examples.

The bytes are those of `Example.SerializeToString(deterministic=True)`. TFX's own encoder writes the
features of an example in an order that varies, so its bytes would have to be parsed and serialised
again row by row, which takes most of the ingestion time.

A serialised feature is its values' bytes behind a prefix that depends on their number alone: field
numbers, the name, and lengths. So the prefixes are built once for each length, and Arrow joins them
with the values.

References:
    Protocol Buffers, Encoding (field tags, varints, packed repeated fields).
    `tensorflow/core/example/example.proto` and `feature.proto` (field numbers).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# Tags of length-delimited fields: the field's number times 8, plus 2.
_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"
_MAX_VARINT_BYTES = 10
_MANY = 4_096


def encode_batch(batch: pa.RecordBatch) -> list[bytes]:
    """Returns each row as a serialised tf.Example, the same bytes for the same row every time.

    A missing value is a feature of its type without values; a column that is empty over the whole
    data is a feature without a type. TFX's CsvExampleGen does the same.

    Args:
        batch: Typed columns, see `columns.ARROW_TYPES`.
    """
    if not batch.num_rows:
        return []
    parts: list[pa.Array] = []
    for name in sorted(batch.schema.names, key=_map_order):
        parts += _encode_column(name, batch.column(name))
    features = _join(parts)
    lengths = np.diff(_offsets(features))
    examples = _join([_prefixes(lengths, lambda length: _FIRST + _varint(length)), features])
    encoded: list[bytes] = examples.to_pylist()
    return encoded


def _map_order(name: str) -> bytes:
    """Protobuf's order of keys: by their bytes, a key before its own beginnings."""
    return name.encode() + b"\xff"  # no byte of UTF-8


def _encode_column(name: str, column: pa.Array) -> list[pa.Array]:
    """The bytes of a feature of each row, in parts to be joined."""
    if pa.types.is_null(column.type):
        entry = _entry(name, b"", 0)
        return [pa.array([entry], pa.large_binary()).take(pa.array(np.zeros(len(column), int)))]
    elements, lengths = _elements(column)
    if pa.types.is_floating(elements.type):
        tag, packed = _SECOND, True
        payload, ends = np.asarray(elements, "<f4").view(np.uint8), 4 * np.cumsum(lengths)
    elif pa.types.is_integer(elements.type):
        tag, packed = _THIRD, True
        payload, sizes = _varints(np.asarray(elements, np.int64))
        ends = _sums(sizes)[np.cumsum(lengths)]
    else:
        tag, packed = _FIRST, False
        texts = _delimited(elements)
        payload = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
        ends = _offsets(texts)[np.cumsum(lengths)]
    offsets = np.concatenate([np.zeros(1, np.int64), ends])

    def prefix(length: int) -> bytes:
        values = _FIRST + _varint(length) if packed and length else b""
        feature = tag + _varint(len(values) + length) + values
        return _entry(name, feature, length)

    return [_prefixes(np.diff(offsets), prefix), _binary(payload, offsets)]


def _entry(name: str, feature: bytes, num_more: int) -> bytes:
    """An entry of the map of features up to the feature's last `num_more` bytes."""
    encoded = name.encode()
    value = _SECOND + _varint(len(feature) + num_more) + feature
    entry = _FIRST + _varint(len(encoded)) + encoded + value
    return _FIRST + _varint(len(entry) + num_more) + entry


def _elements(column: pa.Array) -> tuple[pa.Array, Ints]:
    """A column's values without the missing ones, and how many each row has."""
    if pa.types.is_large_list(column.type):
        return column.flatten(), np.asarray(column.value_lengths().fill_null(0), np.int64)
    return column.drop_null(), np.asarray(column.is_valid()).astype(np.int64)


def _delimited(texts: pa.Array) -> pa.Array:
    """Each text as a value of a BytesList: tag, length, bytes."""
    texts = texts.cast(pa.large_binary())
    lengths = np.asarray(pc.binary_length(texts), np.int64)
    return _join([_prefixes(lengths, lambda length: _FIRST + _varint(length)), texts])


def _prefixes(lengths: Ints, make: Callable[[int], bytes]) -> pa.Array:
    """Returns what `make` makes of each length, called once for each that there is."""
    if lengths.max(initial=0) < _MANY:
        # A table of all lengths up to the largest takes less time than sorting them.
        distinct = np.flatnonzero(np.bincount(lengths))
        table = np.zeros(_MANY, np.int64)
        table[distinct] = np.arange(len(distinct))
        places = table[lengths]
    else:
        distinct, places = np.unique(lengths, return_inverse=True)
    made = pa.array([make(int(length)) for length in distinct], pa.large_binary())
    return made.take(pa.array(places))


def _join(parts: list[pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))


def _binary(payload: Bytes, offsets: Ints) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(payload))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _offsets(texts: pa.Array) -> Ints:
    """int64 [texts + 1], where each text begins; for arrays that are no slices of others."""
    return np.frombuffer(texts.buffers()[1], np.int64)[: len(texts) + 1]


def _sums(values: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _varints(values: Ints) -> tuple[Bytes, Ints]:
    """The values as varints one behind the other, negative ones in ten bytes; and their sizes."""
    bits = values.view(np.uint64)
    largest = int(bits.max(initial=0))
    width = min(_MAX_VARINT_BYTES, max(1, -(-largest.bit_length() // 7)))
    sizes = np.ones(len(values), np.int64)
    encoded = np.empty((len(values), width), np.uint8)
    for place in range(width):
        rest = bits >> np.uint64(7 * place + 7) if place + 1 < _MAX_VARINT_BYTES else bits * 0
        encoded[:, place] = (bits >> np.uint64(7 * place)) & np.uint64(0x7F)
        encoded[:, place] |= np.where(rest > 0, np.uint8(0x80), np.uint8(0))
        sizes += rest > 0
    return encoded[np.arange(width) < sizes[:, None]], sizes
