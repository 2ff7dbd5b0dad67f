"""The tables of benchmarks/nab.md."""

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from benchmarks.nab.alarms import Alarms
from benchmarks.nab.scoring import nab_score, normalised, published_scores
from measuring.intervals import effective_trials, proportion_interval

_CONFIDENCE = 0.95

# Detector to its alarms in each recording.
Results = Mapping[str, Sequence[Alarms]]


def report(results: Results) -> str:
    """Returns both tables in Markdown.

    Args:
        results: Alarms of each detector, all in the same recordings; the first one is shown by
            recording.
    """
    first = next(iter(results.values()))
    by_recording = [nab_scores(alarms) for alarms in results.values()]
    names = [*results, *published_scores()]
    columns = [*by_recording, *published_scores().values()]
    return "\n".join(
        [
            *_summary_table(results),
            "",
            *_published_table(first),
            "",
            *_recordings_table(first),
            "",
            *_scores_table(names, columns),
        ]
    )


def nab_scores(results: Sequence[Alarms]) -> dict[str, float]:
    """Returns recording to NAB's score of the alarms in it."""
    return {one.recording.name: nab_score(one.recording, one.rows) for one in results}


def share_with_interval(successes: Sequence[int], trials: Sequence[int]) -> str:
    """Returns a share and its 95 % interval in words, for trials in groups.

    Args:
        successes: Successes of each recording.
        trials: Its trials.
    """
    total = sum(trials)
    if not total:
        return "-"
    share = sum(successes) / total
    counts = np.array(successes, np.float64), np.array(trials, np.float64)
    effective = effective_trials(*counts, _CONFIDENCE)
    low, high = proportion_interval(share * effective, effective, _CONFIDENCE)
    return f"{share:.2f} [{low:.2f}, {high:.2f}]"


def _summary_table(results: Results) -> list[str]:
    head = "detector, alarms, a year, inside a window, precision, windows detected, "
    head += "share of the windows, by chance, median delay, NAB score"
    return [*_head(head.split(", ")), *(_row(_summary(n, one)) for n, one in results.items())]


def _summary(name: str, results: Sequence[Alarms]) -> list[str]:
    alarms = [len(one.rows) for one in results]
    inside = [one.num_inside for one in results]
    detected = [len(one.detected) for one in results]
    windows = [len(one.windows) for one in results]
    delays = [delay for one in results for delay in one.delays]
    shares, hours = zip(*delays, strict=True) if delays else ((), ())
    score = normalised(sum(nab_scores(results).values()), sum(windows))
    return [
        name,
        str(sum(alarms)),
        f"{sum(alarms) / sum(one.recording.years for one in results):.1f}",
        str(sum(inside)),
        share_with_interval(inside, alarms),
        f"{sum(detected)} of {sum(windows)}",
        share_with_interval(detected, windows),
        f"{sum(one.expected_by_chance for one in results):.1f}",
        f"{median(shares):.2f} of the window, {median(hours):.0f} h" if delays else "-",
        f"{score:.1f}",
    ]


def _published_table(results: Sequence[Alarms]) -> list[str]:
    num_windows = sum(len(one.windows) for one in results)
    rows = [
        [name, f"{normalised(sum(scores[one.recording.name] for one in results), num_windows):.1f}"]
        for name, scores in published_scores().items()
    ]
    return [*_head(["published detector", f"NAB score of these {len(results)}"]), *map(_row, rows)]


def _recordings_table(results: Sequence[Alarms]) -> list[str]:
    head = "recording, rows in windows, alarms, inside a window, windows detected, delays"
    return [*_head(head.split(", ")), *(_row(_recording(one)) for one in results)]


def _recording(one: Alarms) -> list[str]:
    num_scored = one.recording.num_rows - one.recording.num_probation_rows
    inside = sum(end - start for start, end in one.windows) / num_scored
    return [
        one.recording.name,
        f"{inside:.0%}",
        str(len(one.rows)),
        str(one.num_inside),
        f"{len(one.detected)} of {len(one.windows)}",
        "; ".join(f"{share:.2f} ({hours:.0f} h)" for share, hours in one.delays) or "-",
    ]


def _scores_table(names: Sequence[str], columns: Sequence[Mapping[str, float]]) -> list[str]:
    rows = [[name, *(f"{column[name]:.2f}" for column in columns)] for name in columns[0]]
    return [*_head(["NAB score", *names]), *map(_row, rows)]


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|---" * len(cells) + "|"]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
