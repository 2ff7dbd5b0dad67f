"""What `init` takes for the sampling rate in the lines before a table."""

import pytest

from pipeline.column_format import CsvLayout
from pipeline.onboarding.profile.table import ReadOptions
from pipeline.onboarding.recordings.header_rates import find_header_rate
from pipeline.onboarding.recordings.profiling import profile_recordings
from pipeline.reading.recordings.discovery import discover
from pipeline.reading.recordings.forms.streams import SAMPLES_AS_SECONDS
from pipeline.recording_options import HeaderRate

ROWS = ["a,b", *(f"{place},{2 * place}" for place in range(12)), ""]


def find(tmp_path, *above):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*above, *ROWS]))
    return find_header_rate(str(path), CsvLayout(skip_rows=len(above)), ".")


@pytest.mark.parametrize(
    ("line", "name", "unit", "rate"),
    [
        ("Sample Interval,4.0e-9", "Sample Interval", "s", "2.5e+08 Hz"),
        ("Sampling Rate: 1000 Hz", "Sampling Rate", "Hz", "1000 Hz"),
        ("Delta_X,0.001,0.001", "Delta_X", "s", "1000 Hz"),
        ("Sampling Interval (us),20", "Sampling Interval (us)", "us", "50000 Hz"),
        ("SampleRate_kHz,8", "SampleRate_kHz", "kHz", "8000 Hz"),
        ("fs=250", "fs", "Hz", "250 Hz"),
        ("Sample Interval,ms,5", "Sample Interval", "s", "200 Hz"),
        ("Scan rate: 1000 scans/sec", "Scan rate", "Hz", "1000 Hz"),
        ("Logging Interval: 30 s", "Logging Interval", "s", "0.0333333 Hz"),
    ],
)
def test_a_rate_or_an_interval_is_found_by_its_name(tmp_path, line, name, unit, rate):
    option, [note] = find(tmp_path, "Model,X", line)
    assert option == HeaderRate(name=name, unit=unit)
    assert f"gives the sampling rate of each file: {rate} in a.csv" in note
    assert note.endswith(f"Numbers without a unit are taken for {unit}")


@pytest.mark.parametrize(
    "line",
    [
        "Record Length,1000",
        "Vertical Scale,0.5",
        "Horizontal Scale,1e-3",  # of a division of the screen
        "Line frequency,50 Hz",
        "Sample Interval,5 min",  # a unit that is not known here is not taken for s
        "Sample Interval,5,min",
        "Sampling Rate,0",
        "Sampled by,7",
        "Sample Interval (min),5",  # neither is one in brackets
        "Sample rate [1/h],10",
        "Sample rate (display),50",
        "Sampling rate: 100 mHz",  # no megahertz
    ],
)
def test_other_numbers_are_no_rates(tmp_path, line):
    assert find(tmp_path, line) == (None, ())


def test_two_rates_that_differ_are_not_used_and_said_so(tmp_path):
    option, [note] = find(tmp_path, "Sample Rate,1000", "Sample Interval,0.002")
    assert option is None
    assert "state several sampling rates: `Sample Rate` 1000 and `Sample Interval` 0.002" in note
    # The comma between thousands divides fields too.
    option, [note] = find(tmp_path, "Sampling Rate = 1,000 Hz", "Model,X")
    assert option is None
    assert "`Sampling Rate` 1 and `Sampling Rate` 0" in note


def test_a_point_that_may_divide_thousands_is_not_used_and_said_so(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{place},5;{place},25" for place in range(12)]
    path.write_text("\n".join(["Typ;X", "Abtastrate;1.000 Hz", "a;b", *rows, ""]))
    option, [note] = find_header_rate(str(path), CsvLayout(skip_rows=2), ",")
    assert option is None
    assert "state several sampling rates: `Abtastrate` 1 and `Abtastrate` 1000" in note


def test_two_words_for_one_rate_agree(tmp_path):
    option, _ = find(tmp_path, "Sample Rate,1000", "Sample Interval,0.001")
    assert option == HeaderRate(name="Sample Rate", unit="Hz")


def test_steps_along_another_axis_than_time_are_no_intervals(tmp_path):
    assert find(tmp_path, "X_Dimension,Frequency", "Delta_X,0.5") == (None, ())
    assert find(tmp_path, "X_Dimension,Time", "Delta_X,0.5")[0] is not None


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        (["Sample Interval,0.5", "Horizontal Units,ms"], "ms"),
        (["dx = 0.5", "x units = um"], None),
        (["Interval,Points", "5,200", "min,pts"], None),
        (["dx = 0.5", "x units = ms", "time units = s"], None),
        (["Interval_µs,20"], "us"),
    ],
)
def test_the_unit_of_the_axis_is_that_of_the_interval(tmp_path, lines, unit):
    option, _ = find(tmp_path, *lines)
    assert (option.unit if option else None) == unit


def test_a_unit_may_be_below_the_interval(tmp_path):
    _, [note] = find(tmp_path, "Interval,Points", "5,200", "ms,pts")
    assert "gives the sampling rate of each file: 200 Hz" in note  # 1 / 5 ms


def test_a_rate_before_a_decimation_is_not_used_and_said_so(tmp_path):
    option, [note] = find(tmp_path, "Sample rate: 100 kHz", "Decimation: 10")
    assert option is None
    assert "state `Sample rate` and `Decimation` 10, so the rate of the rows is not certain" in note
    assert find(tmp_path, "Sample rate: 100 kHz", "Decimation: 1")[0] is not None


def test_a_stated_rate_is_written_into_the_config_of_streams(tmp_path):
    head = ["Model,X", "Sample Interval,0.25", "sample,value,label"]
    for number in range(3):
        flags = [int(n % 100 > 80) for n in range(600)]
        rows = [f"{n},{(n * 7) % 11 + 5 * flag},{flag}" for n, flag in enumerate(flags)]
        (tmp_path / f"s{number}.csv").write_text("\n".join([*head, *rows, ""]))
    found = discover(str(tmp_path), labels=None, label=None)
    assert SAMPLES_AS_SECONDS in found.notes
    table, origin = profile_recordings(found, ReadOptions(), None)
    assert origin.recordings.header_rate == HeaderRate(name="Sample Interval", unit="s")
    assert SAMPLES_AS_SECONDS not in origin.notes
    assert table.columns["sampling_rate_hz"].num_distinct == 1
