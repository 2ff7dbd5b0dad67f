import pytest

from models.features import (
    Audio,
    Bucketized,
    Categorical,
    Crossed,
    HeavyTailed,
    Image,
    Signal,
    Time,
)
from models.inputs.encoding import Encoding, IndexSpace, Role, encoded_name, encodings


@pytest.mark.parametrize("name", ["a b", "a-b", "a.b", "ä_b", "a[b"])
def test_names_that_differ_in_special_characters_stay_apart(name):
    assert encoded_name(name) != encoded_name("a_b")
    assert encoded_name(name).isidentifier()
    assert encoded_name(name).isascii()


def test_a_plain_name_only_gets_the_suffix():
    assert encoded_name("trip_miles") == "trip_miles_xf"


def test_each_kind_has_its_width():
    table = {
        "number": HeavyTailed(),  # value and indicator
        "time": Time(cycles=("hour_of_day", "day_of_year")),  # two pairs and an indicator
        "bucket": Bucketized(num_buckets=4),  # and one for missing
        "cross": Crossed(of=("a", "b"), num_buckets=9),
        "wave": Signal(num_samples=256),
        # 8,000 samples: 1 + (8000 - 256) // 128 frames of 32 ms every 16 ms.
        "noise": Audio(sampling_rate_hz=8_000, duration_s=1, num_mels=20),
        "weld": Image(height=48, width=64, channels=3),
    }
    assert encodings(table) == [
        Encoding("number_xf", Role.DENSE, 2),
        Encoding("time_xf", Role.DENSE, 5),
        Encoding("bucket_xf", Role.INDEX, 5),
        Encoding("cross_xf", Role.INDEX, 9),
        Encoding("wave_xf", Role.SIGNAL, 256),
        Encoding("noise_xf", Role.AUDIO, 0, (61, 20)),
        Encoding("weld_xf", Role.IMAGE, 0, (48, 64, 3)),
    ]


def test_index_ranges_of_features_do_not_overlap():
    table = {"bucket": Bucketized(num_buckets=4), "tool": Categorical(), "code": Categorical()}
    space = IndexSpace(10, tuple(encodings(table)))
    # 0..9 vocabulary, 10..14 bucket, 15 and 16 tool (unseen, missing), 17 and 18 code.
    assert [space.start(f"{name}_xf") for name in table] == [10, 15, 17]
    assert space.size == 19
