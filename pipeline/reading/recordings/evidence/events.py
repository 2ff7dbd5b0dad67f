"""Tables of events, by the names of their columns."""

import pandas as pd

from common.errors import InputError

_BEGINS = {"start", "begin", "from", "onset", "start_time", "starttime", "t_start", "start_s",
    "begin_time", "start_ts", "beginn", "von", "anfang"}  # fmt: skip
_ENDS = {"finish", "finish_time", "end_ts", "ende", "bis",
    "end", "stop", "to", "until", "offset", "end_time", "endtime", "t_end", "end_s"}  # fmt: skip
_DURATIONS = {"duration", "duration_s", "length", "length_s"}


def check_no_events(path: str, frame: pd.DataFrame) -> None:
    """Checks that a table does not list events under other names than those that are read.

    Raises:
        InputError: It has the starts and ends of something, such as `onset` and `offset`.
    """
    names = [str(name) for name in frame.columns]
    begins = next((name for name in names if name.lower() in _BEGINS), None)
    ends = next((name for name in names if name.lower() in _ENDS), None)
    if begins is not None and (ends is not None or any(n.lower() in _DURATIONS for n in names)):
        listed = ", ".join(f"`{name}`" for name in names[:12])
        raise InputError(
            f"{path} seems to list events, and a table of events has the columns `start` and `end` "
            f"(and `recording`, if there are several). It has {listed}. Rename `{begins}` to "
            f"`start`, and {f'`{ends}` to `end`' if ends else 'write a column `end`'}."
        )
