import pytest

from pipeline.counting import count
from pipeline.onboarding.profile.words import percent, quoted, unit_of, words_of


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Air temperature [K]", "K"),
        ("Torque [Nm]", "Nm"),
        ("length (mm)", "mm"),
        ("flow [m3/h]", "m3/h"),
        ("sampling_rate_hz", "Hz"),
        ("voltageMV", "mV"),
        ("charging_voltage_v", "V"),
        ("trip_seconds", "s"),
        ("sensor_a", ""),
        ("v", ""),
        ("note (see the manual for this)", ""),
    ],
)
def test_a_unit_is_read_from_the_name(name, unit):
    assert unit_of(name) == unit


def test_words_are_split_at_signs_and_capitals():
    assert words_of("machineID_2 [K]") == ["machine", "id", "2", "k"]


def test_numbers_read_as_people_write_them():
    assert [count(1, "row"), count(12_345, "row")] == ["1 row", "12,345 rows"]
    assert [percent(s) for s in (0, 0.004, 0.0339, 0.5, 0.9951, 0.999999, 1)] == [
        "0 %", "0.40 %", "3.4 %", "50 %", "99.51 %", "99.99 %", "100 %"
    ]  # fmt: skip
    assert quoted("two\nlines") == "`two lines`"
