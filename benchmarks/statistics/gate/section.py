"""The model gate: how often an interval clears a bar at the truth, in designs that are not kind."""

from collections.abc import Iterator

from benchmarks.statistics.gate.comparisons import better_rows, lost_rows
from benchmarks.statistics.gate.coverage import METRICS, change_rows, model_rows
from benchmarks.statistics.gate.designs import design_rows, together_rows
from benchmarks.statistics.gate.groups import area_rows, cost_rows, share_rows
from benchmarks.statistics.gate.ratchet import NUM_RETRAININGS, ratchet_rows
from benchmarks.statistics.gate.unmet import unmet_rows
from benchmarks.statistics.gate.verdicts import advice_rows, bar_rows, noise_rows, slice_rows
from benchmarks.statistics.tables import Table

_ERRORS = ("false BLESSED", "false REJECTED")
# Sets of the tables that resample nothing.
_NUM_VERDICTS, _NUM_SHARES, _NUM_ADVICES = 10_000, 6_000, 1_000
_CLEARED = ("BLESSED at -0.05", "BLESSED at the truth")
_BEFORE = ("false BLESSED before", "false BLESSED")


def tables(num_sets: int) -> Iterator[Table]:
    """Yields the tables of the section."""
    yield Table(
        title="One model, prevalence 3.5 %, d 3.",
        head=("faults", "metric", "truth", *_ERRORS),
        rows=model_rows(num_sets),
    )
    yield Table(
        title="Other scores and prevalences.",
        head=("design", "faults", "false", *METRICS),
        rows=design_rows(num_sets),
    )
    yield Table(
        title="The whole gate with six bars, d 3. Where one is at the truth, the others are easy.",
        head=("bars", "faults", "BLESSED", "REJECTED"),
        rows=together_rows(num_sets),
    )
    yield Table(
        title="The change from a model with d 3 to one with d 2.9, whose scores correlate by 0.95.",
        head=("faults", "metric", "truth", *_ERRORS),
        rows=change_rows(num_sets),
    )
    yield Table(
        title=f"Verdicts on a recall bar of 0.9 ({_NUM_VERDICTS:,} sets).",
        head=("true recall", "faults", "BLESSED", "INCONCLUSIVE", "REJECTED"),
        rows=bar_rows(_NUM_VERDICTS),
    )
    yield Table(
        title="Labels of noise, judged by the default gate.",
        head=("faults", "spread of logits", "alarms", "BLESSED", "INCONCLUSIVE"),
        rows=noise_rows(num_sets),
    )
    yield Table(
        title=f"Shares in groups ({_NUM_SHARES:,} sets).",
        head=("design", *_BEFORE, "width before", "width"),
        rows=share_rows(_NUM_SHARES),
    )
    yield Table(
        title="Expected cost in groups.", head=("design", *_ERRORS), rows=cost_rows(num_sets)
    )
    yield Table(
        title="Metrics of the probabilities in 40 equal groups, faults in few.",
        head=("examples taken", "metric", "truth", *_ERRORS),
        rows=area_rows(num_sets),
    )
    yield Table(
        title="What the split does not hold.",
        head=("design", "metric", "faults", *_BEFORE, "lower limit before", "lower limit"),
        rows=unmet_rows(num_sets),
    )
    yield Table(
        title="The candidate loses a share of faults for good.",
        head=("faults", "lost", "true change", "method", *_CLEARED, "width"),
        rows=lost_rows(num_sets),
    )
    yield Table(
        title=f"{NUM_RETRAININGS} retrainings, first PR-AUC 0.85, scores correlate by 0.95 "
        f"({_num_series(num_sets)} series).",
        head=("change of PR-AUC", "faults", "compared with", "served at the end", "BLESSED"),
        rows=ratchet_rows(_num_series(num_sets)),
    )
    yield Table(
        title="Slices of 100 faults with a recall at the bar of 0.8: any REJECTED "
        f"({_NUM_VERDICTS:,} sets).",
        head=("slices", "each alone", "Holm"),
        rows=slice_rows(_NUM_VERDICTS),
    )
    yield Table(
        title="Recall bar 0.8, 30 faults, verdict INCONCLUSIVE: the advice is followed "
        f"({_NUM_ADVICES:,} sets).",
        head=("true recall", "advice", "answer", "faults in all"),
        rows=advice_rows(_NUM_ADVICES),
    )
    yield Table(
        title="`runs compare`, scores correlate by 0.9: any line is better.",
        head=("faults", "models", "prices", "each line alone", "Holm"),
        rows=better_rows(num_sets),
    )


def _num_series(num_sets: int) -> int:
    return max(num_sets // 15, 4)
