import pytest
from hypothesis import given
from hypothesis import strategies as st

from measuring.events.names import event_name, event_start_s, telling_columns


def test_an_event_is_named_by_its_number_and_start():
    assert event_name(2, 0.1, has_dates=False) == "e3@0.1"
    # 2020-01-01 is 1,577,836,800 s after 1970.
    assert event_name(0, 1_577_836_800.25, has_dates=True) == "e1@2020-01-01T00:00:00.250000+00:00"


@given(st.integers(0, 99), st.floats(-1e6, 1e9), st.booleans())
def test_the_name_tells_the_start(number, start_s, has_dates):
    read = event_start_s(event_name(number, start_s, has_dates=has_dates))
    # Dates have whole microseconds.
    assert read == pytest.approx(start_s, abs=1e-6 if has_dates else 0)


@pytest.mark.parametrize("name", ["crack", "e1@", "e1@yesterday", "e1@2020-01-01T00:00:00"])
def test_a_name_without_a_start_is_refused(name):
    with pytest.raises(ValueError, match=f"holds '{name}', but an event is named by"):
        event_start_s(name)


def test_columns_that_tell_events_are_those_of_windows_only():
    windows = ["value", "window", "stretch", "window_start", "window_end"]
    assert telling_columns(windows) == ("window", "window_start", "window_end")
    assert telling_columns([*windows, "event"])[1] == "event"
    assert telling_columns(["event", "window", "window_start"]) == ()
