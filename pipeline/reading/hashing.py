"""Stable 64-bit hashes of rows by their content, on whole columns at once.

The hash of a row depends on its values and column names alone: not on the order of rows or columns,
not on how rows are divided into files, not on the machine or a library version.

References:
    Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014
    (the finaliser). Zobrist, A new hashing method with application for game playing, 1970
    (a sequence's hash as the sum of the hashes of value and position).
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def mix(values: Hashes) -> Hashes:
    """Returns the SplitMix64 finaliser of each value, a bijection that mixes all bits."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def salt(text: str) -> np.uint64:
    """Returns a fixed 64-bit number for a text, such as a column name."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def hash_rows(batch: pa.RecordBatch, seed: int) -> Hashes:
    """Returns uint64 [rows], the hash of each row's content.

    Args:
        batch: Normalised columns: int64, float32, binary, large lists of these, or files as
            large binary.
        seed: Seed; another one gives other hashes.
    """
    total = np.zeros(batch.num_rows, np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        total += mix(hash_column(column) ^ salt(name))
    return mix(total ^ salt(f"seed {seed}"))


def hash_column(column: pa.Array) -> Hashes:
    """Returns uint64 [rows], the hash of each value of a normalised column."""
    if pa.types.is_null(column.type):
        return np.full(len(column), _MISSING)
    if pa.types.is_large_list(column.type):
        hashes = _hash_lists(column)
    elif pa.types.is_large_binary(column.type):
        hashes = _hash_files(column)
    elif pa.types.is_binary(column.type):
        hashes = _hash_texts(column)
    else:
        hashes = _hash_numbers(column)
    if column.null_count:
        hashes[np.asarray(column.is_null())] = _MISSING
    return hashes


def _hash_numbers(column: pa.Array) -> Hashes:
    if pa.types.is_floating(column.type):
        # Adding zero turns -0.0 into 0.0: the two are equal and must hash alike.
        values = np.asarray(column.fill_null(0.0), np.float32) + np.float32(0)
        bits = values.view(np.uint32).astype(np.uint64)
        bits[np.isnan(values)] = np.uint64(0x7FC00000)
        return mix(bits + np.uint64(1))
    return mix(np.asarray(column.fill_null(0), np.int64).view(np.uint64) + np.uint64(1))


def _hash_texts(column: pa.Array) -> Hashes:
    """Hashes each distinct text once, since columns repeat their texts."""
    encoded = column.fill_null(b"").dictionary_encode()
    return _hash_bytes(encoded.dictionary).take(np.asarray(encoded.indices))


def _hash_files(column: pa.Array) -> Hashes:
    digests = [
        hashlib.blake2b(content.as_buffer() or b"", digest_size=8).digest() for content in column
    ]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def _hash_bytes(texts: pa.Array) -> Hashes:
    lengths = np.asarray(pc.binary_length(texts), np.int64)
    joined = b"".join(texts.to_pylist())
    values = np.frombuffer(joined, np.uint8).astype(np.uint64)
    return _hash_sequences(values, lengths)


def _hash_lists(column: pa.Array) -> Hashes:
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    return _hash_sequences(hash_column(column.flatten()), lengths)


def _hash_sequences(values: Hashes, lengths: npt.NDArray[np.int64]) -> Hashes:
    """Hashes consecutive sequences in `values`, by value and position."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    places = (np.arange(len(values)) - np.repeat(starts, lengths)).astype(np.uint64)
    terms = mix(values + mix(places + np.uint64(1)))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    return mix(sums[ends] - sums[starts] + lengths.astype(np.uint64))
