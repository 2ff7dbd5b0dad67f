"""The ids of runs, and of the parts of a run that read one span each.

TFX finds a step's inputs by its run, so that the same steps can run once in a run: each span that
is read before the newest has a run of its own, which is shown as a part of the whole.
"""

_SPAN_PART = ".span-"


def span_run_id(run_id: str, span: int) -> str:
    """Returns the id of the part of a run that reads one span.

    >>> span_run_id("20261124-015251-signals", 7)
    '20261124-015251-signals.span-7'
    """
    return f"{run_id}{_SPAN_PART}{span}"


def whole_run_id(run_id: str) -> str:
    """Returns the id of the run that a part belongs to; that of a whole run is its own.

    >>> whole_run_id("20261124-015251-signals.span-7")
    '20261124-015251-signals'
    """
    return run_id.partition(_SPAN_PART)[0]
