"""Facts about the texts of a new column, counted over all rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.column_format import ColumnFormat, Decimal, Thousands
from pipeline.onboarding.profile import placeholders
from pipeline.reading import contract, times, values
from pipeline.reading.columns import Kind, kind_of

# Numbers that loggers write where they have no value: -1, nines, limits of integer types, the null
# of LAS well logs, and the fill values of climate data and of netCDF as float64 and as float32.
_FILL_VALUES = (1e20, 1e30, -1e30, 9.96921e36)
SENTINELS = (
    *(-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0, -99999.0, -999.25, -9999.25, -1.0),
    *(-9999.9, -999.9, -99.9, 99.9, 999.9, 9999.9, -999.99, -99.99, 99.99, 999.99, 9999.99),
    *(-32768.0, 32767.0, 65535.0, -2147483648.0, 2147483647.0, 4294967295.0),
    *_FILL_VALUES,
    *(float(np.float32(value)) for value in (*_FILL_VALUES, 9.969209968386869e36)),
)
NUMBER_FORMATS: tuple[tuple[Decimal, Thousands | None], ...] = (
    (",", None),
    (".", ","),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
)
MIN_MEASURED = 12  # distinct texts or numbers of a measurement
_MAX_TEXTS = 5_000  # distinct texts kept of a column; more are free text
_POINT_GROUPED = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
GROUPED = re.compile(r"^[+-]?[1-9]\d{0,2},\d{3}$")  # 1,234: thousands or three decimals
_SUFFIXED = re.compile(r"^([+-]?\d[\d.,]*)\s*([^\d\s.,+-][^\d]{0,11})$")
_LEADING_ZERO = r"^[+-]?0\d+$"
_COMPACT_DATE = r"^(?:19|20|21)\d{6}(?:\d{2}|\d{4}|\d{6})?$|^\d{6}$"
_COMPACT_DATE += r"|^\d{3,4}(?:19|20|21)\d{2}$"  # with the year last


@dataclass(kw_only=True)
class TextFacts:
    """What the texts of a column look like, over all rows read so far.

    Attributes:
        kinds: How the files store the column.
        num_present: Values that are not blank and no default missing mark.
        num_plain: Those that are plain numbers, such as -1.5e3.
        all_whole: Every plain number is whole and fits int64.
        all_integral: Every number of the files' own numeric types is whole, also as a float.
        num_infinite: Plain numbers that are infinite.
        leading_zeros: Whole numbers with a leading zero, such as 007.
        widths: Lengths of the plain numbers, in characters.
        too_long: Whole numbers beyond 64 bits.
        limits: Smallest and largest finite plain number.
        pointed: Plain numbers with a decimal point, without `SENTINELS`.
        pointless: Those without one.
        grouped: Those of them that may have the point between thousands, such as 72.470.
        long_whole: Whole numbers of four or more digits.
        grouped_limits: Smallest and largest of `grouped`, with a decimal point.
        numbers: Plain numbers and how often each occurs, up to a limit; else empty.
        texts: Other texts and how often each occurs; the most frequent ones where there are many.
        texts_complete: `texts` has all of them.
        number_hits: Other texts that each entry of the number formats reads.
        ambiguous: Other texts such as 1,234 that two number formats read differently.
        suffixes: Suffix after a number to the texts with it.
        time_hits: Values that each time format reads.
        stamps: Arrow times of the files that may be placeholders, and how often each occurs.
        stamp_limits: Earliest and latest of the other Arrow times, in seconds since 1970.
        not_utf8: Values that are not UTF-8.
        marked: Default missing marks and how often each occurs.
    """

    kinds: set[Kind] = field(default_factory=set)
    num_present: int = 0
    num_plain: int = 0
    all_whole: bool = True
    all_integral: bool = True
    num_infinite: int = 0
    leading_zeros: int = 0
    widths: set[int] = field(default_factory=set)
    too_long: int = 0
    pointed: int = 0
    pointless: int = 0
    grouped: int = 0
    long_whole: int = 0
    grouped_limits: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None
    numbers: Counter[float] = field(default_factory=Counter)
    many_numbers: bool = False
    texts: Counter[str] = field(default_factory=Counter)
    texts_complete: bool = True
    number_hits: Counter[tuple[Decimal, Thousands | None]] = field(default_factory=Counter)
    ambiguous: int = 0
    suffixes: Counter[str] = field(default_factory=Counter)
    time_hits: Counter[str] = field(default_factory=Counter)
    stamps: Counter[int] = field(default_factory=Counter)
    stamp_limits: tuple[float, float] | None = None
    not_utf8: int = 0
    marked: Counter[str] = field(default_factory=Counter)

    @property
    def num_texts(self) -> int:
        """Values that are no plain number."""
        return self.num_present - self.num_plain

    def read_texts(self, form: ColumnFormat) -> dict[str, float]:
        """Returns those of `texts` that a format reads, and the numbers that it reads in them."""
        texts = list(self.texts)
        read, _ = contract.read_column(
            pa.array(texts, pa.string()).cast(pa.binary()), form, default_marks=()
        )
        return {t: n for t, n in zip(texts, read.to_pylist(), strict=True) if n is not None}

    def add(self, column: pa.Array, *, csv: bool, default_marks: Sequence[str]) -> None:
        """Adds one batch of the column."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        self.kinds.add(kind_of(column.type, csv=csv))
        if not values.is_text(column.type):
            self._add_numbers(column)
            return
        text = ColumnFormat(type="text", missing=())
        present, bad = contract.read_column(column, text, default_marks=())
        self.not_utf8 += int(bad.sum())
        counted = present.drop_null().value_counts()
        texts = counted.field("values").cast(pa.string())
        counts = np.asarray(counted.field("counts"), np.int64)
        marked = np.asarray(pc.is_in(texts, pa.array(default_marks, pa.string())))
        for mark, hits in zip(
            texts.filter(pa.array(marked)).to_pylist(), counts[marked].tolist(), strict=True
        ):
            self.marked[mark] += hits
        texts, counts = texts.filter(pa.array(~marked)), counts[~marked]
        self.num_present += int(counts.sum())
        self._add_texts(texts, counts)

    def _add_numbers(self, column: pa.Array) -> None:
        kind = column.type
        if pa.types.is_boolean(kind) or pa.types.is_nested(kind) or pa.types.is_null(kind):
            self.num_present += len(column) - column.null_count
            return
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        ):
            self.num_present += len(column) - column.null_count
            if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
                self._add_stamps(column)
            return
        if not pa.types.is_integer(kind):
            self.all_whole = False
        numbers, _ = contract.read_column(column, ColumnFormat(type="number"), default_marks=())
        if pa.types.is_uint64(kind):
            beyond = pc.greater(column, pa.scalar(2**63 - 1, pa.uint64()))
            self.too_long += int(pc.sum(beyond).as_py() or 0)
        counted = numbers.drop_null().value_counts()
        counts = np.asarray(counted.field("counts"), np.int64)
        self.num_present += int(counts.sum())
        read = np.asarray(counted.field("values"))
        self._note_numbers(read, counts)
        # Floats too: pandas stores whole numbers with missing values as floats.
        self.all_integral &= bool((np.isfinite(read) & (read == np.floor(read))).all())
        if self.all_integral:
            short = (read >= 1e5) & (read < 1e14)  # six to 14 digits, which float64 keeps
            texts = pa.array(read[short].astype(np.int64)).cast(pa.string())
            self._count_compact(texts, counts[short])

    def _add_stamps(self, column: pa.Array) -> None:
        counted = times.read_times(column, ColumnFormat(type="time"))[0].drop_null().value_counts()
        seconds = np.asarray(counted.field("values"), np.int64)
        counts = np.asarray(counted.field("counts"), np.int64)
        is_mark = placeholders.are_placeholders(seconds)
        for second, hits in zip(seconds[is_mark].tolist(), counts[is_mark].tolist(), strict=True):
            self.stamps[second] += hits
        self.stamp_limits = _widened(self.stamp_limits, seconds[~is_mark].astype(np.float64))

    def _note_numbers(
        self, numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
    ) -> None:
        self.num_plain += int(counts.sum())
        finite = np.isfinite(numbers)
        self.num_infinite += int(counts[~finite].sum())
        self.limits = _widened(self.limits, numbers[finite])
        room = len(self.numbers) <= _MAX_TEXTS
        self.many_numbers |= len(numbers) > _MAX_TEXTS or not room
        wanted = np.isin(numbers, (0.0, *SENTINELS))
        if room:
            wanted[:_MAX_TEXTS] = True
        for number, hits in zip(numbers[wanted].tolist(), counts[wanted].tolist(), strict=True):
            self.numbers[number] += hits

    def _add_texts(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        numbers = values.floats_of(texts)
        plain = np.asarray(numbers.is_valid()) & ~np.asarray(pc.is_nan(numbers).fill_null(False))
        if plain.any():
            self._add_plain(
                texts.filter(pa.array(plain)), numbers.filter(pa.array(plain)), counts[plain]
            )
        others, hits = texts.filter(pa.array(~plain)), counts[~plain]
        if not len(others):
            return
        self._count_texts(others, hits)
        self._count_number_formats(others, hits)
        self._count_times(others, hits)

    def _add_plain(self, texts: pa.Array, numbers: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        digits = np.asarray(pc.match_substring_regex(texts, r"^[+-]?\d+(\.0*)?$"))
        self.all_whole &= bool(digits.all())
        if digits.any():
            _, bad = contract.read_column(
                texts.cast(pa.binary()), ColumnFormat(type="code"), default_marks=()
            )
            self.too_long += int(counts[digits & bad].sum())
        zeros = np.asarray(pc.match_substring_regex(texts, _LEADING_ZERO))
        self.leading_zeros += int(counts[zeros].sum())
        self.widths.update(pc.unique(pc.utf8_length(texts)).to_pylist())
        self._count_points(texts, numbers, counts)
        self._note_numbers(np.asarray(numbers), counts)
        if self.all_whole:
            plain = pc.replace_substring_regex(texts, r"\.0*$", "")
            self._count_compact(plain, counts)

    def _count_points(
        self, texts: pa.Array, numbers: pa.Array, counts: npt.NDArray[np.int64]
    ) -> None:
        read = np.asarray(numbers)
        is_measured = ~np.isin(read, SENTINELS)
        has_point = np.asarray(pc.match_substring(texts, "."))
        grouped = np.asarray(pc.match_substring_regex(texts, _POINT_GROUPED))
        long = np.asarray(pc.match_substring_regex(texts, r"^[+-]?\d{4,}$"))
        self.pointed += int(counts[has_point & is_measured].sum())
        self.pointless += int(counts[~has_point & is_measured].sum())
        self.grouped += int(counts[grouped].sum())
        self.long_whole += int(counts[long & is_measured].sum())
        self.grouped_limits = _widened(self.grouped_limits, read[grouped])

    def _count_compact(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        """Counts whole numbers that read as dates of 1980 to 2100, such as 20240131."""
        is_compact = pc.match_substring_regex(texts, _COMPACT_DATE)
        texts, counts = texts.filter(is_compact), counts[np.asarray(is_compact)]
        for time_format in times.COMPACT_FORMATS if len(texts) else ():
            seconds, _ = times.parse_texts(texts, time_format)
            numbers = np.asarray(seconds.fill_null(-1))
            read = (numbers >= times.FIRST_S) & (numbers <= times.LAST_S)
            if read.any():
                self.time_hits[time_format] += int(counts[read].sum())

    def _count_texts(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        if len(texts) > _MAX_TEXTS or len(self.texts) > _MAX_TEXTS:
            self.texts_complete = False
        order = np.argsort(-counts, kind="stable")[:_MAX_TEXTS]
        chosen = texts.take(pa.array(order)).to_pylist()
        for text, hits in zip(chosen, counts[order].tolist(), strict=True):
            if len(self.texts) <= _MAX_TEXTS or text in self.texts:
                self.texts[text] += hits

    def _count_number_formats(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        if not pc.any(pc.match_substring_regex(texts, r"^[+-]?[\d.,]")).as_py():
            return
        binary = texts.cast(pa.binary())
        for decimal, thousands in NUMBER_FORMATS:
            form = ColumnFormat(type="number", decimal=decimal, thousands=thousands)
            _, bad = contract.read_column(binary, form, default_marks=())
            if not bad.all():
                self.number_hits[decimal, thousands] += int(counts[~bad].sum())
        grouped = np.asarray(pc.match_substring_regex(texts, GROUPED.pattern))
        self.ambiguous += int(counts[grouped].sum())
        for text, hits in zip(texts.to_pylist()[:_MAX_TEXTS], counts.tolist(), strict=False):
            if match := _SUFFIXED.match(text):
                self.suffixes[match[2].strip()] += hits

    def _count_times(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        digits = np.asarray(pc.match_substring_regex(texts, r"\d.*\d"))
        if digits.mean() < 0.5:
            return
        candidates = set(self.time_hits) | set(
            times.formats_that_read(texts.slice(0, 200), counts[:200])
        )
        for time_format in candidates:
            seconds, _ = times.parse_texts(texts, time_format)
            hits = int(counts[np.asarray(seconds.is_valid())].sum())
            if hits:
                self.time_hits[time_format] += hits


def _widened(
    limits: tuple[float, float] | None, numbers: npt.NDArray[np.float64]
) -> tuple[float, float] | None:
    """Returns the limits of numbers and of those seen before."""
    if not len(numbers):
        return limits
    low, high = float(numbers.min()), float(numbers.max())
    old = limits or (low, high)
    return min(low, old[0]), max(high, old[1])
