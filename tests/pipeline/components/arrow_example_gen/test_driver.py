import os

import pytest
from tfx.proto import example_gen_pb2, range_config_pb2

from common.errors import InputError
from pipeline.components.arrow_example_gen.driver import LocalInputProcessor, make_input_processor


def write(tmp_path, name, content="a,y\n1,0\n"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def process(tmp_path, pattern, span=None):
    """Returns span and version, the filled pattern and the fingerprint."""
    config = None
    if span is not None:
        static = range_config_pb2.StaticRange(start_span_number=span, end_span_number=span)
        config = range_config_pb2.RangeConfig(static_range=static)
    split = example_gen_pb2.Input.Split(name="data", pattern=pattern)
    processor = make_input_processor(str(tmp_path), [split], config, kept_digests="")
    found = processor.resolve_span_and_version()
    filled = processor.get_pattern_for_span_version(pattern, *found)
    return found, filled, processor.get_input_fingerprint(*found)


@pytest.mark.parametrize(
    ("pattern", "span", "expected"),
    [
        ("span-{SPAN}/v{VERSION}/*.csv", None, (10, 2, "span-10/v2/*.csv")),
        ("span-{SPAN}/v{VERSION}/*.csv", 7, (7, 1, "span-007/v1/*.csv")),
        ("span-{SPAN}/v*/*.csv", 7, (7, None, "span-007/v*/*.csv")),
        ("**/v1/*.csv", None, (0, None, "**/v1/*.csv")),
    ],
)
def test_span_and_version_are_filled_in_as_the_files_write_them(tmp_path, pattern, span, expected):
    for name in ("span-007/v1/a.csv", "span-10/v1/a.csv", "span-10/v2/B.CSV", "span-x/v9/a.csv"):
        write(tmp_path, name)
    found, filled, _ = process(tmp_path, pattern, span)
    assert (*found, filled) == expected


def test_a_date_is_a_span_of_days_since_1970(tmp_path):
    write(tmp_path, "1970-02-01.csv")
    write(tmp_path, "1970-13-01.csv")
    found, filled, _ = process(tmp_path, "{YYYY}-{MM}-{DD}.csv")
    assert (*found, filled) == (31, None, "1970-02-01.csv")


def test_brackets_in_the_base_folder_and_upper_case_suffixes_are_found(tmp_path):
    write(tmp_path, "line [A]/span-1.CSV")
    found, filled, _ = process(tmp_path / "line [A]", "span-{SPAN}.csv")
    assert (*found, filled) == (1, None, "span-1.csv")


def test_a_span_that_does_not_exist_or_is_written_in_two_ways_is_an_error(tmp_path):
    write(tmp_path, "span-7.csv")
    with pytest.raises(InputError, match=r"No span 8 found at .*span-\{SPAN\}\.csv"):
        process(tmp_path, "span-{SPAN}.csv", span=8)
    write(tmp_path, "span-07.csv")
    with pytest.raises(InputError, match="write span 7 in several ways"):
        process(tmp_path, "span-{SPAN}.csv")


def test_the_fingerprint_is_the_content_whatever_size_and_times_say(tmp_path):
    path = write(tmp_path, "a.csv", "a,y\n1,0\n")
    os.utime(path, ns=(10**18, 10**18))
    *_, before = process(tmp_path, "*.csv")
    path.write_text("a,y\n1,1\n")
    os.utime(path, ns=(10**18, 10**18))
    *_, changed = process(tmp_path, "*.csv")
    path.write_text("a,y\n1,0\n")
    *_, restored = process(tmp_path, "*.csv")
    assert before == restored != changed


def test_a_file_more_and_another_name_are_other_fingerprints(tmp_path):
    path = write(tmp_path, "a.csv")
    *_, one = process(tmp_path, "*.csv")
    path.rename(tmp_path / "b.csv")
    *_, renamed = process(tmp_path, "*.csv")
    write(tmp_path, "c.csv")
    *_, two = process(tmp_path, "*.csv")
    assert len({one, renamed, two}) == 3


def test_a_url_is_left_to_tfx():
    split = example_gen_pb2.Input.Split(name="data", pattern="*.csv")
    processor = make_input_processor("gs://bucket/x", [split], None, kept_digests="")
    assert not isinstance(processor, LocalInputProcessor)
