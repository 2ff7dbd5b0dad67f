"""The sampling rate that the lines before a table state."""

import pytest

from common.errors import InputError
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.header_rate import Stated, numbers_in, rate_of
from tests.pipeline.reading.recordings.raw_files import assembled, rows

DATA = {"skip_rows": 2}
ROWS = [f"{place},{2 * place % 5}" for place in range(12)]


@pytest.mark.parametrize(
    ("lines", "delimiter", "decimal", "expected"),
    [
        (["Sample Interval,4.0e-9"], ",", ".", ("Sample Interval", 4e-9, "")),
        (["Sampling Rate: 1 kHz"], ",", ".", ("Sampling Rate", 1.0, "kHz")),
        (["# fs = 50 kS/s"], "\t", ".", ("fs", 50.0, "kHz")),
        (["Delta_X 0.001"], ",", ".", ("Delta_X", 0.001, "")),
        (['"Sample Rate";"2000";"Hz"'], ";", ".", ("Sample Rate", 2000.0, "Hz")),
        (["Abtastrate;0,5"], ";", ",", ("Abtastrate", 0.5, "")),
        (["Sample interval: 0.001 s (1 kHz)"], ",", ".", ("Sample interval", 0.001, "s")),
        (["Interval\t10\tms"], "\t", ".", ("Interval", 10.0, "ms")),
    ],
)
def test_a_number_has_the_name_before_it(lines, delimiter, decimal, expected):
    assert numbers_in(lines, delimiter, decimal) == [Stated(*expected)]


def test_a_number_may_be_below_its_name():
    found = numbers_in(["X,CH1,Start,Increment", "Sequence,Volt,-1.0,1e-6"], ",")
    assert Stated("Increment", 1e-6, "") in found


@pytest.mark.parametrize(
    ("text", "decimal", "values"),
    [
        ("1.000 Hz", ",", [1.0, 1000.0]),
        ("1.000 Hz", ".", [1.0]),
        ("0.005 Hz", ",", [0.005]),  # no thousands begin with 0
        ("12.8000", ",", [12.8]),
    ],
)
def test_a_point_may_divide_thousands_where_commas_are_decimal_marks(text, decimal, values):
    found = numbers_in([f"Abtastrate;{text}"], ";", decimal)
    assert [one.value for one in found] == values


@pytest.mark.parametrize(
    ("stated", "unit", "rate_hz"),
    [((4e-9, ""), "s", 2.5e8), ((1.0, "kHz"), "Hz", 1000.0), ((0.5, "ms"), "s", 2000.0)],
)
def test_the_unit_of_a_number_counts_before_the_declared_one(stated, unit, rate_hz):
    assert rate_of(Stated("x", *stated), unit) == rate_hz


@pytest.mark.parametrize(
    ("stated", "words"),
    [((0.0, ""), "`x` is 0 before its table"), ((5.0, "ms"), "in ms before .* and in Hz by")],
)
def test_a_number_that_is_no_rate_is_refused(stated, words):
    with pytest.raises(UnusableError, match=words):
        rate_of(Stated("x", *stated), "Hz")


def write(folder, name, *above):
    (folder / "raw/ok").mkdir(parents=True, exist_ok=True)
    (folder / "raw/ok" / name).write_text("\n".join([*above, "a,b", *ROWS, ""]))


OPTIONS = {"form": "files", "label_from": "folder"}
RATE = {"name": "Sampling Rate", "unit": "Hz"}


def test_each_file_has_the_rate_that_it_states(tmp_path):
    write(tmp_path, "1.csv", "Sampling Rate: 10", "Model X")
    write(tmp_path, "2.csv", "Sampling Rate: 0.02 kHz", "Model Y")
    read = rows(assembled(tmp_path, "raw", header_rate=RATE, data=DATA, **OPTIONS))
    assert [row["sampling_rate_hz"] for row in read] == [10.0, 20.0]


@pytest.mark.parametrize(
    ("above", "words"),
    [
        (("Model X", "Gain 3"), "have no number after `Sampling Rate`"),
        (("Sampling Rate,10,20", "Model X"), "state several numbers of `Sampling Rate`"),
        (("Sampling Rate,none", "Model X"), "have no number after `Sampling Rate`"),
    ],
)
def test_a_file_that_states_no_rate_or_two_is_bad(tmp_path, above, words):
    write(tmp_path, "1.csv", "Sampling Rate: 10", "Model X")
    write(tmp_path, "2.csv", *above)
    with pytest.raises(InputError, match=words):
        assembled(tmp_path, "raw", header_rate=RATE, data=DATA, **OPTIONS)


INTERVAL = {"name": "Sample Interval", "unit": "ms"}


def test_the_unit_of_an_interval_is_that_of_the_files_own_axis(tmp_path):
    write(tmp_path, "1.csv", "Sample Interval,5", "Horizontal Units,ms")
    write(tmp_path, "2.csv", "Sample Interval,5", "Horizontal Units,us")
    write(tmp_path, "3.csv", "Sample Interval,5", "Model X")
    write(tmp_path, "4.csv", "Sample Interval,5 s", "Horizontal Units,us")
    read = rows(assembled(tmp_path, "raw", header_rate=INTERVAL, data=DATA, **OPTIONS))
    # 1 / 5 ms, 1 / 5 us, ms as declared, and the unit beside the number
    assert [row["sampling_rate_hz"] for row in read] == [200.0, 200_000.0, 200.0, 0.2]


def test_the_unit_in_a_name_counts_before_that_of_the_axis(tmp_path):
    write(tmp_path, "1.csv", "Interval (us),5", "Horizontal Units,ms")
    wanted = {"name": "Interval (us)", "unit": "us"}
    read = rows(assembled(tmp_path, "raw", header_rate=wanted, data=DATA, **OPTIONS))
    assert [row["sampling_rate_hz"] for row in read] == [200_000.0]


def test_an_interval_in_a_file_with_an_axis_in_minutes_is_bad(tmp_path):
    write(tmp_path, "1.csv", "Sample Interval,5", "Horizontal Units,min")
    with pytest.raises(InputError, match=r"the axis in min; expected one of s, ms, us, ns"):
        assembled(tmp_path, "raw", header_rate=INTERVAL, data=DATA, **OPTIONS)


def test_a_rate_that_contradicts_the_times_is_bad(tmp_path):
    write(tmp_path, "1.csv", "Sampling Rate: 10", "Model X")
    with pytest.raises(InputError, match=r"1 s apart, which is 1 Hz, but `the lines .* is 10 Hz"):
        assembled(tmp_path, "raw", header_rate=RATE, time_column="a", data=DATA, **OPTIONS)


def test_files_may_have_their_names_in_different_lines(tmp_path):
    write(tmp_path, "1.csv", "Sampling Rate: 10")
    write(tmp_path, "2.csv", "Model X", "", "Sampling Rate: 20", "Gain 3")
    options = OPTIONS | {"header_rate": RATE, "header_row": ("a", "b")}
    read = rows(assembled(tmp_path, "raw", **options))
    assert [(row["sampling_rate_hz"], len(row["b"])) for row in read] == [(10.0, 12), (20.0, 12)]
    (tmp_path / "raw/ok/3.csv").write_text("\n".join(["u,v", *ROWS, ""]))
    with pytest.raises(InputError, match=r"3\.csv: none of its first 1,000 lines begins with"):
        assembled(tmp_path, "raw", **options)
