import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading import hashing

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        st.one_of(st.none(), st.binary(max_size=5)),
        st.lists(st.floats(width=32, allow_nan=False), max_size=3),
    ),
    min_size=1,
    max_size=20,
)


def batch(rows):
    numbers, names, signals = zip(*rows, strict=True)
    return pa.record_batch(
        {
            "number": pa.array(numbers, pa.int64()),
            "name": pa.array(names, pa.binary()),
            "signal": pa.array(signals, pa.large_list(pa.float32())),
        }
    )


@given(ROWS, st.randoms())
def test_a_rows_hash_does_not_depend_on_its_neighbours_or_on_the_order_of_columns(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    together = hashing.hash_rows(batch(rows), seed=1)
    shuffled = batch([rows[place] for place in order]).select(["signal", "number", "name"])
    assert list(hashing.hash_rows(shuffled, seed=1)) == [together[place] for place in order]


@given(ROWS)
def test_hashes_are_equal_where_rows_are_and_only_there(rows):
    hashes = hashing.hash_rows(batch(rows), seed=0)
    keys = [(number, name, tuple(x + 0.0 for x in signal)) for number, name, signal in rows]
    assert len(set(hashes.tolist())) == len(set(keys))


def test_hashes_stay_what_they_were():
    # Fixed values: with other ones, every data set would be dealt anew.
    hashes = hashing.hash_rows(batch([(1, b"a", [0.5]), (None, None, [])]), seed=0)
    assert hashes.tolist() == GOLDEN


def test_a_slice_hashes_as_its_copy():
    whole = batch([(i, b"x%d" % i, [float(i)] * (i % 3)) for i in range(9)])
    parts = [hashing.hash_rows(whole.slice(i, 3), seed=0) for i in (0, 3, 6)]
    assert np.concatenate(parts).tolist() == hashing.hash_rows(whole, seed=0).tolist()


def test_the_seed_changes_the_hash():
    rows = batch([(1, b"a", [])])
    assert hashing.hash_rows(rows, seed=0)[0] != hashing.hash_rows(rows, seed=1)[0]


GOLDEN = [0xAE94B873EB84241F, 0x4748D83B874AC76C]


def test_equal_files_have_equal_hashes_and_others_do_not():
    files = pa.array([b"RIFF", b"RIFX", b"", None, b"RIFF"], pa.large_binary())
    hashes = hashing.hash_column(files).tolist()
    assert hashes[0] == hashes[4]
    assert len(set(hashes)) == 4
