"""Decisions on columns, split and training options, derived from the profile of the data."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from models.features import Feature, HeavyTailed, Numeric, Signal, Time
from models.train_options import TrainOptions
from pipeline.column_format import ColumnFormat
from pipeline.config import Data, Validation, WideSignal
from pipeline.counting import count
from pipeline.onboarding.findings import leaks
from pipeline.onboarding.findings.identifiers import (
    Group,
    find_groups,
    identifier_reason,
    lies_within,
)
from pipeline.onboarding.findings.kinds import MAX_MISSING_SHARE, choose_kind
from pipeline.onboarding.findings.lengths import choose_lengths
from pipeline.onboarding.findings.rates import Rate, doubtful_rates, find_rate
from pipeline.onboarding.findings.row_order import RowOrder
from pipeline.onboarding.findings.siblings import sibling_reason
from pipeline.onboarding.findings.splits import SplitChoice, propose_split
from pipeline.onboarding.findings.times import TimeColumn, doubtful_serials, find_time
from pipeline.onboarding.findings.wide_signals import WideColumns, find_wide_signals, signal_name
from pipeline.onboarding.profile.labels import LabelChoice
from pipeline.onboarding.profile.table import Column, Table
from pipeline.onboarding.profile.words import percent, quoted, unit_of

_MAX_GROUPS_AS_FEATURE = 50
_MOST = 0.5  # of the numbers of the data
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
    """

    table: Table
    label: str
    choice: LabelChoice
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

    def is_time(self, name: str) -> bool:
        """Whether ingestion converts a column to seconds since the Unix epoch."""
        by_split = self.split.split.strategy == "time" and self.split.split.column == name
        return by_split or isinstance(self.features.get(name, (None,))[0], Time)

    @property
    def max_bad_rows(self) -> int:
        """Number of rows that ingestion will set aside."""
        missing = 0
        if self.split.split.column:
            missing = self.table.columns[self.split.split.column].num_missing
        table = self.table
        return table.num_ragged + table.num_unfit + missing


def propose(table: Table, label: str, choice: LabelChoice) -> Proposal:
    """Returns what `init` proposes for the data.

    Raises:
        InputError: No usable feature column remains.
    """
    work = _Work(table=table, label=label, choice=choice)
    work.take_signals()
    work.take_times_and_leaks()
    work.take_siblings()
    work.take_identifiers()
    work.note_duplicates()
    split = work.take_groups()
    work.take_the_rest()
    work.give_times_back(split)
    work.note_unread()
    if not work.features:
        reasons = "; ".join(f"{quoted(n)} is {r}" for n, r in list(work.left_out.items())[:10])
        raise InputError(
            f"No usable feature column remains: {reasons}. Provide data with measurements, or "
            "write the config by hand."
        )
    return Proposal(
        table=table,
        label=label,
        choice=choice,
        features={n: work.features[n] for n in work.in_order(work.features)},
        left_out={n: work.left_out[n] for n in work.in_order(work.left_out)},
        doubtful=work.doubtful,
        wide_signals=work.wide_signals,
        samples=frozenset(work.samples),
        formats=work.formats(),
        drop_duplicates=work.has_key and table.num_duplicates > 0,
        split=split,
        validation=Validation(
            max_gap_share=_allowed(work.gap_share, Validation().max_gap_share),
            max_wrong_rate_share=_allowed(work.wrong_rate_share, Validation().max_wrong_rate_share),
        ),
        train=propose_training(table.num_rows),
        notes=work.notes,
    )


def _allowed(share: float, default: float) -> float:
    """Returns the allowed share: twice that of the data, since a small split may exceed it."""
    return max(default, min(1.0, round(2 * share + 0.005, 2)))


def propose_training(num_rows: int) -> tuple[TrainOptions, str]:
    """Returns options for one to two minutes of training on two cores, and their reason."""
    batch_size, epochs, patience = next(
        options for at_least, *options in _TRAINING if num_rows >= at_least
    )
    options = TrainOptions(
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        learning_rate=2e-3 if batch_size >= 2_048 else 1e-3,
    )
    return options, f"for {count(num_rows, 'row')}"


@dataclass(kw_only=True)
class _Work:
    """The undecided columns and the decisions so far."""

    table: Table
    label: str
    choice: LabelChoice
    features: dict[str, tuple[Feature, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, Feature] = field(default_factory=dict)
    wide_signals: dict[str, WideSignal] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    gap_share: float = 0.0
    wrong_rate_share: float = 0.0
    times: dict[str, TimeColumn] = field(default_factory=dict)
    has_key: bool = False
    notes: list[str] = field(default_factory=list)
    open: dict[str, Column] = field(init=False)
    positive: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.open = dict(self.table.columns)
        place = list(self.table.classes).index(self.choice.positive)
        self.positive = self.table.label_codes[self.table.sampled] == place

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Returns names in the order of the data; wide signals come first."""
        places = {name: place for place, name in enumerate(self.table.columns)}
        return sorted(names, key=lambda name: places.get(name, -1))

    def note_duplicates(self) -> None:
        """Says what becomes of identical rows: only a repeated id or time makes one a copy."""
        number, rows = self.table.num_duplicates, self.table.num_rows
        self.has_key |= bool(self.times)
        if number and not self.has_key:
            self.notes.append(
                f"{count(number, 'row')} ({percent(number / rows)}) equal an earlier one in every "
                "column. No column identifies a row or its time, so they may be honest "
                "repetitions of coarse values and are kept. If they are copies, set "
                "`drop_duplicates: true`; this changes the prevalence."
            )

    def formats(self) -> dict[str, ColumnFormat]:
        """Returns how each column is written, as it is to be read from now on."""
        formats = {}
        for name, column in self.table.columns.items():
            if column.written.form is None or column.kind in ("list", "other"):
                continue
            time = self.times.get(name)
            form = time.form if time is not None and time.form is not None else column.written.form
            feature = self.features.get(name, (None, ""))[0]
            if form.type == "number" and column.kind == "int":
                measured = isinstance(feature, Numeric | HeavyTailed) or name in self.samples
                form = form if measured else ColumnFormat(type="code")
            if form.decimal == self.table.decimal:
                form = replace(form, decimal=None)
            marks = column.written.marks
            missing = (*Data(path="-").missing_values, *marks) if marks else form.missing
            formats[name] = replace(form, missing=missing)
        return formats

    def leave_out(self, name: str, reason: str) -> None:
        self.left_out[name] = reason
        self.open.pop(name)

    def take_signals(self) -> None:
        for wide in find_wide_signals(self.open):
            if wide.is_signal:
                self._take_wide(wide)
            else:
                self.notes.append(
                    f"{quoted(wide.names[0])} to {quoted(wide.names[-1])} remain separate numbers: "
                    "neighbouring columns are no more alike than distant ones (ratio "
                    f"{wide.roughness:.2f}), so they are not samples of one signal."
                )
        lists = {name: column for name, column in self.open.items() if column.kind == "list"}
        rate = find_rate(self.open, [*self.wide_signals, *lists])
        for name, column in lists.items():
            self._take_list(name, column, rate_varies=rate is not None and rate.varies)
        if rate is not None and self.features:
            self._take_rate(rate)
            return
        for doubtful in doubtful_rates(self.open, [*self.wide_signals, *lists]):
            self.notes.append(
                f"{quoted(doubtful.column)} is {doubtful.median_hz:g} in nearly every row. Is it "
                "the signals' sampling rate? Its name does not say so. If it is, enter it in Hz as "
                "sampling_rate_hz of each signal."
            )

    def _take_wide(self, wide: WideColumns) -> None:
        name = signal_name(wide.prefix, self.table.columns, self.label)
        first, last = wide.names[0], wide.names[-1]
        self.wide_signals[name] = WideSignal(first=first, last=last)
        feature = Signal(num_samples=len(wide.names), unit=unit_of(name))
        reason = f"{len(wide.names)} numbered columns, {quoted(first)} to {quoted(last)}"
        self.features[name] = (feature, reason)
        gapped = np.zeros(len(self.table.sampled), bool)
        for part in wide.names:
            gapped |= ~np.isfinite(self.open.pop(part).sample.astype(np.float64))
        self.gap_share = max(self.gap_share, float(gapped.mean()))
        self.samples += wide.names

    def _take_list(self, name: str, column: Column, *, rate_varies: bool) -> None:
        counts = column.tally.list_lengths
        if column.num_missing:
            missing = percent(column.missing_share)
            self._leave_list_out(
                column, f"no recording in {missing} of the rows; fill these rows with a list of NaN"
            )
            return
        choice = choose_lengths(counts, rate_varies=rate_varies)
        if choice is None:
            lists = f"lists of {min(counts, default=0)} to {max(counts, default=0)} numbers"
            self._leave_list_out(column, f"{lists}; a signal needs a fixed length")
            return
        self.open.pop(name)
        num_samples, lengths = choice.num_samples, choice.lengths
        feature = Signal(num_samples=num_samples, unit=unit_of(name), lengths=lengths)
        self.features[name] = (feature, choice.reason)
        num_gapped = min(column.num_rows, column.tally.num_gapped + choice.num_padded)
        self.gap_share = max(self.gap_share, num_gapped / column.num_rows)
        if lengths is not None:
            self.notes.append(
                f"{quoted(name)}: {choice.reason}. To change it, set `lengths` to cut, pad or "
                "resample, and `num_samples`."
            )

    def _leave_list_out(self, column: Column, reason: str) -> None:
        """Leaves a list column out, with a warning if it holds most of the data's numbers."""
        self.leave_out(column.name, reason)
        sizes = {
            name: sum(length * number for length, number in other.tally.list_lengths.items())
            if other.kind == "list"
            else other.num_rows
            for name, other in self.table.columns.items()
            if name != self.label
        }
        share = sizes[column.name] / max(1, sum(sizes.values()))
        if share > _MOST:
            self.notes.append(
                f"WARNING: {quoted(column.name)} HOLDS {percent(share)} OF THE DATA AND IS LEFT "
                f"OUT: {reason}. The model does not see it."
            )

    def _take_rate(self, rate: Rate) -> None:
        for signal, (feature, reason) in self.features.items():
            if isinstance(feature, Signal):
                # Resampled recordings no longer have the rate that the column gives.
                column = None if feature.lengths == "resample" else rate.column
                with_rate = replace(feature, sampling_rate_hz=rate.median_hz, rate_column=column)
                self.features[signal] = (with_rate, f"{reason}; at {rate.median_hz:g} Hz")
        self.wrong_rate_share = rate.wrong_share
        self.leave_out(rate.column, f"the signals' sampling rate, median {rate.median_hz:g} Hz")

    def take_times_and_leaks(self) -> None:
        for name, column in list(self.open.items()):
            time = find_time(column)
            serial = doubtful_serials(column) if time is None or time.is_elapsed else ""
            if serial:
                self.notes.append(
                    f"{quoted(name)} has numbers such as {serial}, which may be Excel's serial "
                    f"dates. If they are, write data.columns.{name}: {{type: time, unit: excel}}."
                )
            if time is not None:
                leak = leaks.presence_leak(column, self.positive)
            else:
                leak = leaks.find_leak(column, self.positive)
            if leak is not None and not (time is None and self._is_group(column)):
                self.leave_out(name, f"it leaks the label: {leak}")
            elif time is not None and column.missing_share <= MAX_MISSING_SHARE:
                self.times[name] = time
                self.open.pop(name)

    def take_siblings(self) -> None:
        """Leaves out columns that look like consequences of the fault, and asks about them."""
        for name, column in list(self.open.items()):
            reason = sibling_reason(column, self.label)
            if reason is None:
                continue
            feature = choose_kind(column).feature
            self.leave_out(name, f"{reason}; a model must not know it in advance")
            if feature is not None:
                self.doubtful[name] = feature
                self.notes.append(
                    f"Is {quoted(name)} known before the fault? It is left out, because {reason}. "
                    "If it is, uncomment its line under `features`."
                )

    def _is_group(self, column: Column) -> bool:
        """Tells groups from copies of the label: a machine that always fails also determines it."""
        groups = find_groups(self.table.columns, [column.name], [])
        return bool(groups) and groups[0].num_groups >= 2 * len(self.table.classes)

    def take_identifiers(self) -> None:
        distinct_rows = 1 - self.table.num_duplicates / self.table.num_rows
        for name, column in list(self.open.items()):
            reason = identifier_reason(column, distinct_rows)
            if reason is not None and column.missing_share <= 0.5:
                self.leave_out(name, reason)
                self.has_key = True

    def take_groups(self) -> SplitChoice:
        numeric = [name for name, c in self.open.items() if c.is_number and c.num_distinct > 2]
        groups = find_groups(self.table.columns, list(self.open), numeric)
        split = propose_split(
            self.positive,
            [(group, self.table.columns[group.name].codes) for group in groups],
            self.times,
            scale=self.table.num_rows / len(self.table.sampled),
            order=RowOrder(
                label_codes=self.table.label_codes,
                positive_code=list(self.table.classes).index(self.choice.positive),
                file_rows=self.table.file_rows,
            ),
        )
        chosen = split.split.column if split.split.strategy == "group" else None
        for group in groups:
            reason = self._group_reason(group, chosen)
            if reason is not None:
                self.leave_out(group.name, reason)
        return split

    def _group_reason(self, group: Group, chosen: str | None) -> str | None:
        """Returns why a group column cannot be a feature, or None if it can."""
        if group.name == chosen:
            return "the group by which examples are split; its training values do not occur in test"
        column = self.table.columns[group.name]
        if chosen is not None and lies_within(column, self.table.columns[chosen]):
            return f"each of its values occurs with only one {quoted(chosen)}"
        if group.num_groups > _MAX_GROUPS_AS_FEATURE:
            return f"it identifies groups ({group.reason}); a model would memorise them"
        return None

    def take_the_rest(self) -> None:
        first_by_codes: dict[bytes, str] = {}
        for name, column in list(self.open.items()):
            chosen = choose_kind(column)
            twin = first_by_codes.setdefault(column.codes.tobytes(), name)
            if chosen.feature is not None and twin != name and self._equal(column, twin):
                self.leave_out(name, f"it is equivalent to {quoted(twin)} in every row")
            elif chosen.feature is None:
                self.leave_out(name, chosen.reason)
            else:
                doubt = leaks.suspicion(column, self.positive)
                if doubt:
                    self.notes.append(f"{quoted(name)}: {doubt}.")
                self.features[name] = (chosen.feature, chosen.reason)
                self.open.pop(name)

    def _equal(self, column: Column, twin: str) -> bool:
        """Tells whether two columns with equal codes carry the same information."""
        other = self.table.columns[twin]
        if column.kind != other.kind or twin not in self.features:
            return False
        # Renamed categories are equivalent; numbers on another scale may not be.
        same = column.kind == "text" or np.array_equal(column.sample, other.sample, equal_nan=True)
        return bool(same and column.num_missing == other.num_missing)

    def note_unread(self) -> None:
        for name in self.left_out:
            column = self.table.columns.get(name)
            if column is not None and column.written.resembles:
                self.notes.append(
                    f"{quoted(name)} is text and is left out, but values such as "
                    f"{quoted(column.written.resembles)} look like numbers or times. None of the "
                    "number and time formats fits them: write the column in one format."
                )

    def give_times_back(self, split: SplitChoice) -> None:
        """Turns times with a cycle covered by the data into features; excludes the others."""
        for name, time in self.times.items():
            used = "; the split uses it" if name == split.split.column else ""
            if not time.cycles:
                why = "without hours and days" if time.is_elapsed else "too short for a daily cycle"
                self.left_out[name] = f"{time.how}, {why}{used}"
            elif self.table.columns[name].missing_share > 0:
                missing = percent(self.table.columns[name].missing_share)
                self.left_out[name] = f"{time.how}, missing in {missing} of the rows{used}"
            else:
                cycles = " and ".join(cycle.replace("_", " ") for cycle in time.cycles)
                self.features[name] = (Time(cycles=time.cycles), f"{time.how}: {cycles}{used}")
