"""Decisions on columns, split and training options, derived from the profile of the data."""

from dataclasses import dataclass, field

from common.errors import InputError
from models.features import Feature, Time
from models.train_options import TrainOptions
from pipeline.column_format import ColumnFormat
from pipeline.config import Validation, WideSignal
from pipeline.counting import count
from pipeline.onboarding.decisions import Decisions
from pipeline.onboarding.findings.splits import SplitChoice
from pipeline.onboarding.profile.labels import LabelChoice
from pipeline.onboarding.profile.table import Table
from pipeline.onboarding.profile.words import quoted
from pipeline.onboarding.recordings.origin import Origin
from pipeline.onboarding.work import Work

# Minimum number of rows, batch size, epochs, patience.
_TRAINING = (
    (1_000_000, 8_192, 10, 3),
    (100_000, 2_048, 15, 4),
    (20_000, 512, 25, 5),
    (4_000, 128, 60, 10),
    (0, 32, 80, 12),
)


@dataclass(kw_only=True)
class Proposal:
    """All decisions of `init`.

    Attributes:
        table: The data.
        label: The label column.
        choice: The label's positive value.
        decisions: What the person decided.
        origin: What the table was assembled from.
        features: Feature and reason by column name, in the order of the data.
        left_out: Reason for exclusion by column name.
        doubtful: What excluded columns would be, if they are known before the fault.
        wide_signals: Column range by signal name.
        samples: Columns that hold the samples of a wide signal.
        formats: How the values of each column are written.
        drop_duplicates: Whether identical rows are deliveries of the same row.
        split: How examples are assigned to splits.
        validation: AnomalyGate limits on gaps and on wrong sampling rates.
        train: Training options and the reason for them.
        notes: Further remarks for the user.
        other_faults: Remarks on rows that count as healthy and have another fault.
    """

    table: Table
    label: str
    choice: LabelChoice
    decisions: Decisions
    origin: Origin = field(default_factory=Origin)
    features: dict[str, tuple[Feature, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, Feature] = field(default_factory=dict)
    wide_signals: dict[str, WideSignal] = field(default_factory=dict)
    samples: frozenset[str] = frozenset()
    formats: dict[str, ColumnFormat] = field(default_factory=dict)
    drop_duplicates: bool = False
    split: SplitChoice
    validation: Validation
    train: tuple[TrainOptions, str]
    notes: list[str] = field(default_factory=list)
    other_faults: list[str] = field(default_factory=list)

    def is_time(self, name: str) -> bool:
        """Whether ingestion converts a column to seconds since the Unix epoch."""
        by_split = self.split.split.strategy == "time" and self.split.split.column == name
        return by_split or isinstance(self.features.get(name, (None,))[0], Time)

    @property
    def max_bad_rows(self) -> int:
        """Number of rows that ingestion will set aside."""
        if self.origin.is_recordings:
            return self.origin.num_bad
        missing = self.origin.num_bad
        if self.split.split.column:
            missing += self.table.columns[self.split.split.column].num_missing
        return self.table.num_ragged + self.num_unfit + missing

    @property
    def num_unfit(self) -> int:
        """Number of rows, at most, with a value that does not fit a column that is used."""
        used = {*self.features, *self.samples, self.split.split.column}
        num_values = sum(number for name, number in self.table.unfit.items() if name in used)
        return min(self.table.num_unfit, num_values)


def propose(
    table: Table,
    label: str,
    choice: LabelChoice,
    decisions: Decisions | None = None,
    origin: Origin | None = None,
) -> Proposal:
    """Returns what `init` proposes for the data.

    Args:
        table: The data.
        label: The label column.
        choice: The label's positive value.
        decisions: What the person decided; nothing by default.
        origin: What the table was assembled from; an ordinary table by default.

    Raises:
        InputError: A decision does not fit the data, or no usable feature column remains.
    """
    work = Work(
        table=table,
        label=label,
        choice=choice,
        decisions=decisions or Decisions(),
        origin=origin or Origin(),
    )
    work.leave_out_columns()
    work.take_signals()
    work.take_times_and_leaks()
    work.take_siblings()
    work.take_identifiers()
    work.note_duplicates()
    split = work.take_groups()
    work.take_the_rest()
    work.give_times_back(split)
    work.note_strong()
    work.note_unread()
    work.note_spellings(split)
    work.note_overlaps()
    work.check_kept()
    if not work.features:
        reasons = "; ".join(f"{quoted(n)}: {r}" for n, r in list(work.left_out.items())[:10])
        raise InputError(
            f"No usable feature column remains: {reasons}. Provide data with measurements, or "
            "write the config by hand."
        )
    return Proposal(
        table=table,
        label=label,
        choice=choice,
        decisions=work.decisions,
        origin=work.origin,
        features={n: work.features[n] for n in work.in_order(work.features)},
        left_out=dict(work.origin.left_out)
        | {n: work.left_out[n] for n in work.in_order(work.left_out)},
        doubtful=work.doubtful,
        wide_signals=work.wide_signals,
        samples=frozenset(work.samples),
        formats=work.formats(),
        drop_duplicates=work.has_key and table.num_duplicates > 0,
        split=split,
        validation=Validation(
            max_gap_share=_allowed_gaps(work, split),
            max_wrong_rate_share=_allowed(work.wrong_rate_share, Validation().max_wrong_rate_share),
        ),
        train=propose_training(table.num_rows),
        notes=work.notes,
        other_faults=work.other_faults(),
    )


def _allowed_gaps(work: Work, split: SplitChoice) -> float:
    """Returns the allowed share of rows with gaps.

    Windows of one recording have its gaps in common, so the smallest split may have all of them.
    """
    if not work.origin.is_windows:
        return _allowed(work.gap_share, Validation().max_gap_share)
    smallest = min(split.split.train, split.split.eval, split.split.test)
    return max(Validation().max_gap_share, min(1.0, round(work.gap_share / smallest + 0.005, 2)))


def _allowed(share: float, default: float) -> float:
    """Returns the allowed share: twice that of the data, since a small split may exceed it."""
    return max(default, min(1.0, round(2 * share + 0.005, 2)))


def propose_training(num_rows: int) -> tuple[TrainOptions, str]:
    """Returns options for one to two minutes of training on two cores, and their reason.

    Which model suits the data is chosen while training.
    """
    batch_size, epochs, patience = next(
        options for at_least, *options in _TRAINING if num_rows >= at_least
    )
    options = TrainOptions(
        model="auto",
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        learning_rate=2e-3 if batch_size >= 2_048 else 1e-3,
    )
    return options, f"for {count(num_rows, 'row')}"
