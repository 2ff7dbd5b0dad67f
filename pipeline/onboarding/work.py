"""The decisions of `init` in the making: every column is open until a step decides on it."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from models.features import (
    Bucketized,
    Categorical,
    Feature,
    HeavyTailed,
    Numeric,
    Signal,
    Time,
)
from pipeline.column_format import ColumnFormat
from pipeline.config import Data, WideSignal
from pipeline.counting import count
from pipeline.onboarding import notes
from pipeline.onboarding.decisions import Decisions, check_columns
from pipeline.onboarding.findings import leaks
from pipeline.onboarding.findings.groups import Group, find_groups, lies_within, named_group
from pipeline.onboarding.findings.hidden_groups import HiddenGroup, find_hidden_group
from pipeline.onboarding.findings.identifiers import earlier_split_reason, identifier_reason
from pipeline.onboarding.findings.kinds import MAX_MISSING_SHARE, choose_kind, wanted_kind
from pipeline.onboarding.findings.neighbours import are_neighbours_alike
from pipeline.onboarding.findings.row_order import RowOrder
from pipeline.onboarding.findings.siblings import (
    consequence_reason,
    num_flagged,
    sibling_reason,
)
from pipeline.onboarding.findings.splits import SplitChoice, SplitRule, propose_split
from pipeline.onboarding.findings.times import (
    TimeColumn,
    doubtful_serials,
    find_time,
    in_preference,
    wanted_time,
)
from pipeline.onboarding.profile.labels import LabelChoice
from pipeline.onboarding.profile.table import Column, Table
from pipeline.onboarding.profile.words import percent, quoted, unit_of
from pipeline.onboarding.recordings.origin import Origin
from pipeline.onboarding.signals.lengths import choose_lengths
from pipeline.onboarding.signals.rates import Rate, doubtful_rates, find_rate
from pipeline.onboarding.signals.time_axes import (
    TimeAxis,
    check_axis,
    find_axes,
    have_one_rate,
    overlap_note,
)
from pipeline.onboarding.signals.wide_signals import WideColumns, find_wide_signals, signal_name
from pipeline.recording_options import RECORDING

_MAX_GROUPS_AS_FEATURE = 50
_MOST = 0.5  # of the numbers of the data


@dataclass(kw_only=True)
class Work:
    """The undecided columns and the decisions so far."""

    table: Table
    label: str
    choice: LabelChoice
    decisions: Decisions
    origin: Origin = field(default_factory=Origin)
    features: dict[str, tuple[Feature, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, Feature] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)
    strong: dict[str, float] = field(default_factory=dict)
    leaked: set[str] = field(default_factory=set)
    wide_signals: dict[str, WideSignal] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    gap_share: float = 0.0
    wrong_rate_share: float = 0.0
    times: dict[str, TimeColumn] = field(default_factory=dict)
    has_key: bool = False
    hidden: dict[str, HiddenGroup] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    open: dict[str, Column] = field(init=False)
    positive: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.open = dict(self.table.columns)
        self.features |= self.origin.features
        self.gap_share = self.origin.gap_share
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
            measured = isinstance(feature, Numeric | HeavyTailed | Bucketized)
            is_code = column.kind == "int" and name not in self.samples and not measured
            if form.type == "number" and (is_code or isinstance(feature, Categorical)):
                form = ColumnFormat(type="code")
            if form.decimal == self.table.decimal:
                form = replace(form, decimal=None)
            if name in self.hidden:
                form = replace(form, part=self.hidden[name].pattern)
            marks = column.written.marks
            missing = (*Data(path="-").missing_values, *marks) if marks else form.missing
            formats[name] = replace(form, missing=missing)
        if self.table.label_marks:
            marks = (*Data(path="-").missing_values, *self.table.label_marks)
            formats[self.label] = ColumnFormat(type="text", missing=marks)
        return formats

    def leave_out(self, name: str, reason: str) -> None:
        """Decides that a column is no feature, or why besides."""
        before = self.left_out.get(name)
        self.left_out[name] = f"{before}; {reason}" if before else reason
        self.open.pop(name, None)

    def leave_out_columns(self) -> None:
        """Leaves out what the person leaves out: columns, or a signal with all its columns.

        Raises:
            InputError: A decision names a column that does not exist, or the label.
        """
        signals = {
            self._signal_name(wide): wide for wide in find_wide_signals(self.open) if wide.is_signal
        }
        check_columns(
            self.decisions,
            self.open,
            label=self.label,
            file=", ".join(self.table.files[:1]),
            signals=list(signals),
        )
        for name in self.decisions.leave_out:
            for column in signals[name].names if name in signals else (name,):
                if column in self.open:
                    self.leave_out(column, f"you decided with --leave-out {name}")

    def _signal_name(self, wide: WideColumns) -> str:
        return signal_name(wide.prefix, self.table.columns, self.label)

    def take_signals(self) -> None:
        """Decides on numbered columns, lists and sampling rates."""
        separate = {*self.decisions.kinds, self.decisions.group, self.decisions.time}
        candidates = {name: column for name, column in self.open.items() if name not in separate}
        for wide in find_wide_signals(candidates):
            if wide.is_signal:
                self._take_wide(wide)
            else:
                self.notes.append(
                    f"{quoted(wide.names[0])} to {quoted(wide.names[-1])} remain separate numbers: "
                    "neighbouring columns are no more alike than distant ones (ratio "
                    f"{wide.roughness:.2f}), so they are not samples of one signal."
                )
        lists = {name: column for name, column in self.open.items() if column.kind == "list"}
        rate, axis_hz = self._find_rate(lists)
        for name, column in lists.items():
            if name in self.open:
                self._take_list(name, column, rate_varies=rate is not None and rate.varies)
        if rate is not None and self.features:
            self._take_rate(rate)
            return
        nominal_hz = axis_hz if axis_hz is not None else self.origin.rate_hz
        if nominal_hz is not None:
            self._set_rate(nominal_hz, None)
            return
        for doubtful in doubtful_rates(self.open, [*self.wide_signals, *lists]):
            self.notes.append(
                f"{quoted(doubtful.column)} is {doubtful.median_hz:g} in nearly every row. Is it "
                "the signals' sampling rate? Its name does not say so. If it is, enter it in Hz as "
                "sampling_rate_hz of each signal."
            )

    def _take_wide(self, wide: WideColumns) -> None:
        name = self._signal_name(wide)
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
            entry = "kind: signal, `num_samples` and `lengths`: cut, pad or resample"
            self._leave_list_out(column, f"{lists}; to use it, enter it with {entry}")
            return
        self.open.pop(name)
        num_samples, lengths = choice.num_samples, choice.lengths
        feature = Signal(num_samples=num_samples, unit=column.unit, lengths=lengths)
        self.features[name] = (feature, choice.reason)
        self.gap_share = max(self.gap_share, column.tally.num_gapped / column.num_rows)
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

    def _find_rate(self, lists: Mapping[str, Column]) -> tuple[Rate | None, float | None]:
        """Returns the sampling rate that a column holds, and the one by the times of samples.

        A column that the person leaves out is no feature, but may still hold the rate.
        """
        signals = [*self.wide_signals, *lists]
        rate = find_rate(self.open, signals)
        axes = find_axes(lists)
        are_all = len(axes) == len(lists) and not self.wide_signals
        axis_hz = self._take_axes([] if are_all else axes, rate)
        if rate is not None or axis_hz is not None or not signals:
            return rate, axis_hz
        decided = dict(self._decided_out())
        rate = find_rate(decided, signals)
        return rate, self._take_axes(find_axes(decided), None) if rate is None else None

    def _take_axes(self, axes: Iterable[TimeAxis], rate: Rate | None) -> float | None:
        """Leaves out lists with the times of samples; returns the sampling rate that they give."""
        rates_hz: dict[str, float] = {}
        for axis in axes:
            axis_hz = check_axis(axis, rate)
            self.leave_out(axis.column, f"the time of each sample, {axis.step:g} apart")
            if axis_hz is not None:
                rates_hz[axis.column] = axis_hz
                continue
            self.notes.append(
                f"{quoted(axis.column)} holds the time of each sample, {axis.step:g} apart, in a "
                "unit that its name does not give. Enter the rate in Hz as sampling_rate_hz of "
                "each signal."
            )
        if not have_one_rate(rates_hz.values()):
            self.notes.append(notes.several_axes_note(rates_hz))
            return None
        return next(iter(rates_hz.values()), None)

    def note_overlaps(self) -> None:
        """Notes recordings that last longer than the time to the next one."""
        signals = [feature for feature, _ in self.features.values() if isinstance(feature, Signal)]
        is_sparse = len(self.table.sampled) < self.table.num_rows
        if not signals or is_sparse or signals[0].sampling_rate_hz is None:
            return
        duration_s = signals[0].num_samples / signals[0].sampling_rate_hz
        for name, time in self.times.items():
            note = overlap_note(time.seconds, duration_s, name)
            self.notes += [note] if note else []

    def _take_rate(self, rate: Rate) -> None:
        self._set_rate(rate.median_hz, rate.column)
        self.wrong_rate_share = rate.wrong_share
        if rate.varies:
            self.notes.append(notes.rates_note(rate))
        self.leave_out(rate.column, f"the signals' sampling rate, median {rate.median_hz:g} Hz")

    def _set_rate(self, rate_hz: float, rate_column: str | None) -> None:
        for signal, (feature, reason) in self.features.items():
            if isinstance(feature, Signal):
                # Resampled recordings no longer have the rate that the column gives.
                column = None if feature.lengths == "resample" else rate_column
                with_rate = replace(feature, sampling_rate_hz=rate_hz, rate_column=column)
                self.features[signal] = (with_rate, f"{reason}; at {rate_hz:g} Hz")

    def take_times_and_leaks(self) -> None:
        """Decides on times and on columns that mark the positives almost alone.

        A time that the person leaves out is no feature, but may still order the rows.
        """
        for name, column in self._decided_out():
            with contextlib.suppress(InputError):  # no times that could order the rows
                time = self._time_of(column)
                if time is not None and self._leak_of(column, time) is None:
                    self.times[name] = time
        for name, column in list(self.open.items()):
            time = self._time_of(column)
            self._note_serials(column, time)
            leak = self._leak_of(column, time)
            if leak is not None and leak.evidence:
                self.leaked.add(name)
                self.leave_out(
                    name,
                    f"it leaks the label: {leak.finding}; {leak.evidence}. If it is known before "
                    f"the fault, use it with `--keep {name}`",
                )
                continue
            if leak is not None:
                self.suspects[name] = leak.finding
            if time is not None and column.missing_share <= MAX_MISSING_SHARE:
                self.times[name] = time
                self.open.pop(name)

    def _decided_out(self) -> list[tuple[str, Column]]:
        """The single columns that the person leaves out."""
        names = [name for name in self.decisions.leave_out if name in self.table.columns]
        return [(name, self.table.columns[name]) for name in names]

    def _time_of(self, column: Column) -> TimeColumn | None:
        if column.name == self.decisions.time:
            return wanted_time(column)
        if column.name == self.decisions.group:
            return None
        time = find_time(column)
        kind = self.decisions.kinds.get(column.name, "time")
        if time is None or kind == "time":
            return time
        if self.decisions.strategy is None:
            self.notes.append(notes.other_kind_note(column.name, kind))
        return None

    def _note_serials(self, column: Column, time: TimeColumn | None) -> None:
        serial = doubtful_serials(column) if time is None or time.is_elapsed else ""
        if serial:
            self.notes.append(
                f"{quoted(column.name)} has numbers such as {serial}, which may be Excel's serial "
                f"dates. If they are, write data.columns.{column.name}: "
                "{type: time, unit: excel}."
            )

    def _leak_of(self, column: Column, time: TimeColumn | None) -> leaks.Leak | None:
        """Returns the leak; for columns that the person keeps or splits by, only the finding."""
        if time is not None:
            leak = leaks.presence_leak(column, self.positive)
        else:
            leak = leaks.find_leak(column, self.positive, self.label)
        if leak is None or (time is None and self._is_group(column)):
            return None
        if column.name in (self.decisions.time, self.decisions.group):
            return None
        is_kept = column.name in self.decisions.kept
        return leaks.Leak(finding=leak.finding) if is_kept else leak

    def take_siblings(self) -> None:
        """Leaves out columns that look like consequences of the fault, and asks about them."""
        for name, column in list(self.open.items()):
            reason = sibling_reason(column, self.label)
            if reason is None or name in self.decisions.kept or name == self.decisions.group:
                continue
            feature = choose_kind(column).feature
            self.leave_out(name, f"{reason}; a model must not know it in advance")
            if feature is not None:
                self.doubtful[name] = feature
                self.notes.append(
                    f"Is {quoted(name)} known before the fault? It is left out, because {reason}. "
                    f"If it is, use it with `--keep {name}` or uncomment its line under `features`."
                )

    def other_faults(self) -> list[str]:
        """Returns remarks on flags of other faults that are set in rows that count as healthy."""
        scale = self.table.num_rows / len(self.table.sampled)
        remarks = []
        for name, column in self.table.columns.items():
            is_named = sibling_reason(column, self.label) or consequence_reason(name, self.label)
            if not is_named and name not in self.leaked:
                continue
            flagged = num_flagged(column, ~self.positive)
            is_opposite = flagged == int((~self.positive).sum())
            number = 0 if is_opposite else round(scale * flagged)
            if number:
                remarks.append(notes.other_fault_note(name, number, is_exact=scale == 1))
        return remarks

    def _is_group(self, column: Column) -> bool:
        """Tells groups from copies of the label: a machine that always fails also determines it."""
        groups = find_groups(self.table.columns, [column.name], [])
        is_named = bool(groups) and not groups[0].doubt
        return is_named and groups[0].num_groups >= 2 * len(self.table.classes)

    def take_identifiers(self) -> None:
        """Leaves out what only names a row."""
        distinct_rows = 1 - self.table.num_duplicates / self.table.num_rows
        for name, column in [*self.open.items(), *self._decided_out()]:
            earlier = earlier_split_reason(column)
            if earlier is not None and name in self.open and name not in self.decisions.kept:
                self.leave_out(name, earlier)
                continue
            reason = identifier_reason(column, distinct_rows) or self._name_reason(name)
            if reason is None or column.missing_share > 0.5:
                continue
            self.has_key = True
            self._look_for_hidden_group(column)
            if (
                name in self.open
                and name not in self.decisions.kept
                and name != self.decisions.group
            ):
                self.leave_out(name, reason)

    def _name_reason(self, name: str) -> str | None:
        """Returns why a column that the assembly adds only names the recordings, or None."""
        is_name = name == RECORDING and self.origin.is_recordings and not self.origin.is_windows
        return "the names of the recordings" if is_name else None

    def _look_for_hidden_group(self, column: Column) -> None:
        """Finds what the first part of an identifier names, which its rows belong to."""
        if column.kind != "text" or column.name in {*self.decisions.kept, self.decisions.group}:
            return
        found = find_hidden_group(column, self._compared(), self.positive)
        if found is not None and found.reason:
            self.hidden[column.name] = found
        elif found is not None:
            self.notes.append(notes.numbered_rows_note(found))

    def _compared(self) -> list[Column]:
        """The open columns in which rows of one group may be alike."""
        kinds = ("int", "float", "text", "truth")
        return [c for c in self.open.values() if c.kind in kinds and c.num_distinct >= 2]

    def _column(self, name: str) -> Column:
        """Returns a column, of an identifier the part that counts."""
        return self.hidden[name].column if name in self.hidden else self.table.columns[name]

    def take_groups(self) -> SplitChoice:
        """Decides on the split, and on columns that name groups of rows."""
        groups, wanted = self._find_groups(), self.decisions.time
        of_split = groups if self.decisions.group is None else groups[:1]
        times = in_preference(self.times, last=self.decisions.leave_out)
        if wanted is not None:
            times = {name: time for name, time in times.items() if name == wanted}
        split = propose_split(
            self.positive,
            [(group, self._column(group.name).codes) for group in of_split],
            times,
            scale=self.table.num_rows / len(self.table.sampled),
            order=self._row_order(),
            rule=SplitRule(
                wanted="group" if self.origin.is_windows else self.decisions.strategy,
                within_groups=self.origin.is_recordings and not self.origin.is_windows,
                are_windows=self.origin.is_windows,
            ),
        )
        chosen = split.split.column if split.split.strategy == "group" else None
        others = [name for name in times if name != split.split.column]
        if split.split.strategy == "time" and others:
            self.notes.append(notes.other_times_note(split.split.column or "", others))
        is_undecided = self.decisions.strategy is None and not self.origin.is_recordings
        if chosen is not None and others and is_undecided:
            self.notes.append(notes.earlier_test_note(chosen, others[0]))
        for group in groups:
            reason = self._group_reason(group, chosen)
            if group.name in self.left_out and group.name == chosen:
                used = "the part that counts" if group.name in self.hidden else "it"
                self.left_out[group.name] += f"; the split uses {used}"
            elif reason is not None and group.name not in {*self.left_out, *self.decisions.kept}:
                self.leave_out(group.name, reason)
        return split

    def _row_order(self) -> RowOrder:
        order = RowOrder(
            label_codes=self.table.label_codes,
            positive_code=list(self.table.classes).index(self.choice.positive),
            file_rows=self.table.file_rows,
            is_sorted_by_label=self.origin.is_sorted_by_label,
        )
        has_signals = any(isinstance(feature, Signal) for feature, _ in self.features.values())
        if has_signals or not order.has_few_runs:
            return order
        alike = are_neighbours_alike(self._compared(), self.table.sampled, self.positive)
        return replace(order, are_alike=alike)

    def _find_groups(self) -> list[Group]:
        """Returns what names the rows' groups; notes columns that only may do so."""
        named = self.decisions.group
        decided = [name for name, _ in self._decided_out() if name not in self.times]
        candidates = self.in_order({*self.open, *decided} - {named})
        compared = [column.name for column in self._compared()]
        groups = find_groups(
            self.table.columns, candidates, compared, **self.origin.options_of_groups
        )
        groups += [
            Group(
                name=name,
                num_groups=hidden.column.num_distinct,
                reason=f"{hidden.example}; {hidden.reason}",
            )
            for name, hidden in self.hidden.items()
        ]
        kept = [g for g in groups if g.name in self.decisions.kept]
        if self.decisions.strategy is None:
            self.notes += [notes.kept_group_note(group) for group in kept if not group.doubt]
        groups = [group for group in groups if group not in kept]
        for group in groups:
            if group.doubt and named is None:
                self.notes.append(
                    f"{quoted(group.name)} may mark rows that belong together ({group.reason}), "
                    f"but {group.doubt}. So rows of the same value may be in different splits. If "
                    "the model will judge rows of other values, as of new machines or batches, run "
                    f"`init` with `--group {group.name}`."
                )
        groups = [group for group in groups if not group.doubt]
        return groups if named is None else [named_group(self.table.columns[named]), *groups]

    def _group_reason(self, group: Group, chosen: str | None) -> str | None:
        """Returns why a group column cannot be a feature, or None if it can."""
        if group.name == chosen:
            return "the group by which examples are split; its training values do not occur in test"
        column = self._column(group.name)
        if chosen is not None and lies_within(column, self._column(chosen)):
            return f"each of its values occurs with only one {quoted(chosen)}"
        if group.num_groups > _MAX_GROUPS_AS_FEATURE:
            return f"it identifies groups ({group.reason}); a model would memorise them"
        return None

    def take_the_rest(self) -> None:
        """Decides on the kind of every column that is still open."""
        first_by_codes: dict[bytes, str] = {}
        for name, column in list(self.open.items()):
            wanted = self.decisions.kinds.get(name)
            chosen = (
                choose_kind(column, self.positive)
                if wanted is None
                else wanted_kind(column, wanted)
            )
            twin = first_by_codes.setdefault(column.codes.tobytes(), name)
            is_twin = twin != name and name not in self.decisions.kept
            if chosen.feature is not None and is_twin and self._equal(column, twin):
                self.leave_out(name, f"it is equivalent to {quoted(twin)} in every row")
            elif chosen.feature is None:
                self.leave_out(name, chosen.reason)
            else:
                self._note_suspicion(column)
                kept = f"; you decided with --keep {name}" if name in self.decisions.keep else ""
                self.features[name] = (chosen.feature, f"{chosen.reason}{kept}")
                self.open.pop(name)

    def _note_suspicion(self, column: Column) -> None:
        """Says that a feature may be known only after the fault, which only a person can tell."""
        strength = leaks.strength(column, self.positive)
        if column.name in self.suspects:
            self.notes.append(
                f"Is {quoted(column.name)} known before the fault? "
                f"{leaks.question(column.name, self.suspects[column.name])}"
            )
        elif strength is not None:
            self.strong[column.name] = strength

    def check_kept(self) -> None:
        """Checks that every column that the person keeps is a feature.

        Raises:
            InputError: Names the column and why it is none.
        """
        for name in sorted(self.decisions.kept - set(self.samples)):
            feature = self.features.get(name, (None, ""))[0]
            wanted = self.decisions.kinds.get(name)
            if feature is None:
                flag = f"--kind {name}={wanted}" if wanted else f"--keep {name}"
                raise InputError(
                    f"{flag}: {quoted(name)} cannot be a feature: "
                    f"{self.left_out.get(name, 'it is part of a signal')}. Remove the option, or "
                    "name its kind, such as `--kind COLUMN=categorical`."
                )
            if wanted is not None and feature.kind != wanted:
                raise InputError(
                    f"--kind {name}={wanted}: {quoted(name)} is a {feature.kind}. "
                    "Remove the option."
                )

    def _equal(self, column: Column, twin: str) -> bool:
        """Tells whether two columns with equal codes carry the same information."""
        other = self.table.columns[twin]
        if column.kind != other.kind or twin not in self.features:
            return False
        # Renamed categories are equivalent; numbers on another scale may not be.
        same = column.kind == "text" or np.array_equal(column.sample, other.sample, equal_nan=True)
        return bool(same and column.num_missing == other.num_missing)

    def note_strong(self) -> None:
        """Asks about features that mark the positives well alone."""
        if self.strong:
            self.notes.append(leaks.warning(self.strong))

    def note_unread(self) -> None:
        """Notes texts that look like numbers or times and are left out or categories."""
        columns = [self.table.columns[name] for name in self.left_out if name in self.table.columns]
        self.notes += [note for column in columns if (note := notes.unread_note(column))]
        self.notes += [
            notes.category_note(self.table.columns[name])
            for name, (feature, _) in self.features.items()
            if isinstance(feature, Categorical) and self.table.columns[name].written.resembles
        ]
        has_calendar = any(not time.is_elapsed for time in self.times.values())
        parts = notes.parts_of_time(self._used())
        if parts and not has_calendar:
            self.notes.append(notes.parts_note(parts))

    def _used(self) -> dict[str, Column]:
        """The columns that are features or times."""
        columns = self.table.columns
        return {name: columns[name] for name in columns if name in {*self.features, *self.times}}

    def note_spellings(self, split: SplitChoice) -> None:
        """Notes missing marks that may be values, and names that differ only in case."""
        for name in self.in_order({*self.features, split.split.column or ""}):
            column = self.table.columns.get(name)
            if column is not None:
                remarks = (notes.marks_note(column), notes.case_note(column))
                self.notes += [remark for remark in remarks if remark]

    def give_times_back(self, split: SplitChoice) -> None:
        """Turns times with a cycle covered by the data into features; excludes the others."""
        for name, time in self.times.items():
            used = "; the split uses it" if name == split.split.column else ""
            if name in self.decisions.leave_out:
                self.left_out[name] += used
            elif not time.cycles:
                why = "without hours and days" if time.is_elapsed else "too short for a daily cycle"
                self.left_out[name] = f"{time.how}, {why}{used}"
            elif self.table.columns[name].missing_share > 0:
                missing = percent(self.table.columns[name].missing_share)
                self.left_out[name] = f"{time.how}, missing in {missing} of the rows{used}"
            else:
                cycles = " and ".join(cycle.replace("_", " ") for cycle in time.cycles)
                self.features[name] = (Time(cycles=time.cycles), f"{time.how}: {cycles}{used}")
