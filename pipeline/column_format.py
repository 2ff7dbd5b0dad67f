"""Formats of columns: the reading contract, as configuration values."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

ValueType = Literal["number", "code", "text", "truth", "time"]
TimeUnit = Literal["s", "ms", "us", "ns", "excel"]
Decimal = Literal[".", ","]
Thousands = Literal[",", ".", " ", "'"]
# What pandas reads of strptime's directives, and `%q` for the number of a quarter.
_DIRECTIVES = ("Y", "y", "m", "b", "B", "d", "j", "a", "A", "w", "H", "I", "p", "M", "S", "f",
               "z", "Z", "G", "V", "u", "U", "W", "q", "%")  # fmt: skip


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class ColumnFormat:
    """How one column's values are written and what they become.

    Attributes:
        type: `number` becomes float32; `code`, a whole number that names something, int64; `text`
            is trimmed; `truth` becomes `true` or `false`; `time` becomes seconds since 1970, UTC.
        missing: Texts that mean a missing value in this column, besides the empty field. By
            default those of `data.missing_values`. A number, such as -9999, matches by value.
        decimal: Decimal mark of numbers, also of times with a `unit`; by default that of
            `data.decimal`.
        thousands: Thousands separator of numbers; by default that of `data.thousands`.
        decimals: Every number has decimals. A grouped one without them, such as `72.470` beside
            `1.234,56`, may have another decimal mark and does not fit.
        digits: Digits of each name in a column of text such as 007. A whole number with fewer, or
            with a point, has lost its leading zeros in another program and does not fit.
        part: Regular expression with one group, which is what counts of a text: `^(.+)_[^_]+$`
            reads `S05_3` as `S05`, the person of a recording. A text that it does not match does
            not fit.
        suffix: Text after each number, such as a unit or `%`; a bare number is read too,
            except beside a sign that scales, such as `%` or `k`.
        prefix: Text before each number, such as a currency's sign or `CHF`; a bare number is read
            too, and the sign of a number may be before or after it.
        format: How a time is written: `ISO8601`, or a pattern such as `%d/%m/%Y %H:%M`; `Q%q` is a
            quarter. A month or a quarter is its first day.
        unit: Unit of a time that is stored as a number: seconds, milliseconds, microseconds or
            nanoseconds since 1970, or `excel`, the days of Excel's serial dates.
        zone: IANA time zone of times without an offset.
        elapsed: The time counts from a start of its own, not from 1970; it is stored in
            microseconds, only orders the rows and is no feature.
    """

    type: ValueType
    missing: tuple[str, ...] | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None
    decimals: bool = False
    digits: Annotated[int, Field(ge=2)] | None = None
    part: Annotated[str, Field(min_length=1)] | None = None
    suffix: str = ""
    prefix: str = ""
    format: Annotated[str, Field(min_length=1)] | None = None
    unit: TimeUnit | None = None
    zone: str = "UTC"
    elapsed: bool = False

    @field_validator("format")
    @classmethod
    def _readable_format(cls, time_format: str | None) -> str | None:
        directives = re.findall(r"%(.?)", time_format or "", re.DOTALL)
        unknown = [one for one in directives if one not in _DIRECTIVES]
        if re.search(r"(?<!Q)%q", time_format or ""):
            raise ValueError("has `%q`, the number of a quarter, without a Q before it")
        if unknown:
            known = ", ".join(f"%{one}" for one in _DIRECTIVES)
            raise ValueError(f"has `%{unknown[0]}`, which is no part of a time. Known are {known}")
        repeated = [one for one in directives if one != "%" and directives.count(one) > 1]
        if repeated:
            raise ValueError(f"has `%{repeated[0]}` more than once; a time has each part once")
        return time_format

    @field_validator("part")
    @classmethod
    def _one_group(cls, part: str | None) -> str | None:
        if part is None:
            return None
        try:
            num_groups = re.compile(part).groups
            pc.match_substring_regex(pa.array([""]), part)
        except (re.error, pa.ArrowInvalid) as error:
            raise ValueError(f"must be a regular expression, got {part!r}: {error}") from error
        if num_groups != 1:
            raise ValueError(f"must have one group in parentheses, got {num_groups} in {part!r}")
        return part

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"must be an IANA time zone such as Europe/Berlin, got {zone!r}"
            ) from error
        return zone

    @model_validator(mode="after")
    def _consistent(self) -> "ColumnFormat":
        is_number = self.type == "number" or self.unit is not None or self.elapsed
        of_numbers = {
            "decimal": self.decimal if not is_number else None,
            "thousands": self.thousands,
            "decimals": self.decimals,
            "suffix": self.suffix,
            "prefix": self.prefix,
        }
        of_times = {"format": self.format, "unit": self.unit, "elapsed": self.elapsed}
        of_texts = {"digits": self.digits, "part": self.part}
        wrong = [name for name, value in of_numbers.items() if value and self.type != "number"]
        wrong += [name for name, value in of_times.items() if value and self.type != "time"]
        wrong += [name for name, value in of_texts.items() if value and self.type != "text"]
        if wrong:
            raise ValueError(f"`{wrong[0]}` does not go with type `{self.type}`")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if self.elapsed and self.unit == "excel":
            raise ValueError("Excel's serial dates have a fixed start; remove `elapsed`")
        if self.format is not None and self.unit is not None:
            raise ValueError("a time has a `format` (text) or a `unit` (number), not both")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class CsvLayout:
    """How CSV files are laid out, the same for all files of a use case.

    Attributes:
        encoding: Character encoding, such as `utf-8`, `cp1252` or `utf-16`.
        delimiter: Field delimiter; by default the most frequent of comma, semicolon, tab and bar
            in each file's header.
        header: Names of the columns of files without a header; by default files have one.
        units_row: The row after the header holds units and is skipped.
        skip_rows: Lines before the header, or before the rows where `header` is given, at least 0:
            what an instrument writes about the recording.
        units: The units that this row must have, by column, from the features; not part of a YAML.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    header: tuple[str, ...] | None = None
    units_row: bool = False
    skip_rows: int = 0
    units: tuple[tuple[str, str], ...] = ()
