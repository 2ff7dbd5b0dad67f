"""Choice of the feature kind of a column."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from common.errors import InputError
from models.features import Bucketized, Categorical, Feature, HeavyTailed, Numeric
from pipeline.counting import count
from pipeline.onboarding.decisions import KindName
from pipeline.onboarding.findings.groups import names_things
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import percent, quoted, words_of

MAX_MISSING_SHARE = 0.995
_CODE_WORDS = {
    "code", "type", "class", "kind", "category", "mode", "status", "state", "id", "month", "hour",
    "weekday", "dow", "zone", "area", "region", "tract", "zip", "color", "colour", "model",
    "version", "flag", "sector", "day", "firmware", "brand", "shift",
}  # fmt: skip
_COUNT_WORDS = {
    "count", "counts", "num", "n", "total", "amount", "size", "age", "rank", "score", "duration",
    "length", "tenure", "rate", "ratio", "per", "percent", "percentage", "since", "number",
}  # fmt: skip
_MAX_CODES = 12  # whole numbers with more values are measurements, unless named as codes
_MAX_NAMED_CODES = 1_000
_MIN_ROWS_A_VALUE = 5
_MAX_CHANCE = 1e-3  # that the shares of values with an order jump so much
_NEWTON_STEPS = 25
_MAX_VOCABULARY = 1_000
_MAX_CATEGORIES = 20_000
_HEAVY_SKEWNESS = 3.0


_NUMBER_KINDS = {"numeric": Numeric, "heavy_tailed": HeavyTailed, "bucketized": Bucketized}
Bools = npt.NDArray[np.bool_]
_KIND_WORDS = {
    "int": "whole numbers", "float": "numbers with fractions", "text": "texts",
    "truth": "truth values", "time": "times", "list": "lists", "empty": "no values",
    "other": "values of another type",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class KindChoice:
    """The feature kind chosen for a column.

    Attributes:
        feature: The feature, or None if the column is excluded.
        reason: Why, with the number it rests on.
    """

    feature: Feature | None
    reason: str


def choose_kind(column: Column, positive: Bools | None = None) -> KindChoice:
    """Returns the choice for a column that is not an identifier, time, group or leak.

    Args:
        column: The column.
        positive: bool [sampled rows], whether the label is positive: what whole numbers of few
            values are depends on it. By default they are measurements.
    """
    useless = _useless(column)
    if useless:
        return KindChoice(feature=None, reason=useless)
    if column.kind == "int":
        chosen = _whole_number(column, positive)
    else:
        chosen = {"float": _number, "text": _text, "truth": _truth}[column.kind](column)
    if column.written.reason:
        chosen = replace(chosen, reason=f"{chosen.reason}; {column.written.reason}")
    if column.written.marks:
        shown = ", ".join(quoted(mark) for mark in column.written.marks[:5])
        chosen = replace(chosen, reason=f"{chosen.reason}; {shown} means missing")
    if column.num_missing == 0:
        return chosen
    missing = f"missing in {percent(column.missing_share)} of the rows"
    return replace(chosen, reason=f"{chosen.reason}; {missing}")


def wanted_kind(column: Column, kind: KindName) -> KindChoice:
    """Returns the choice of the person for a column that holds no times.

    Raises:
        InputError: The values do not fit the kind.
    """
    fits = column.is_number
    if kind == "categorical":
        fits = column.kind in ("text", "truth") or column.is_whole
    if kind == "time" or not fits or not column.num_sampled:
        needs = {"categorical": "texts or whole numbers", "time": "times"}.get(kind, "numbers")
        raise InputError(
            f"--kind {column.name}={kind} needs {needs}, and {quoted(column.name)} has "
            f"{_KIND_WORDS[column.kind]}."
        )
    if kind == "categorical":
        codes = _categorical(column.num_distinct)
        feature: Feature = replace(codes, truth=column.kind == "truth")
    else:
        feature = _NUMBER_KINDS[kind](unit=column.unit)
    return KindChoice(feature=feature, reason=f"you decided with --kind {column.name}={kind}")


def _useless(column: Column) -> str | None:
    if column.kind == "empty":
        bytes_only = column.written.num_unfit > 0
        return "bytes that are not UTF-8 text" if bytes_only else "empty in every row"
    if column.kind == "other":
        return "of a type other than number, text, time or list of numbers"
    if column.missing_share > MAX_MISSING_SHARE:
        return f"missing in {percent(column.missing_share)} of the rows"
    if column.num_distinct < 2 and column.num_missing == 0:
        return "the same value in every row"
    if column.num_distinct < 2 and column.kind == "float":
        return "the same value wherever present"
    return None


def _number(column: Column) -> KindChoice:
    unit = column.unit
    present = column.sample[np.isfinite(column.sample)]
    before = skewness(present)
    after = skewness(np.sign(present) * np.log1p(np.abs(present)))
    if abs(before) > _HEAVY_SKEWNESS and abs(after) < abs(before) / 2:
        reason = f"long tail: skewness {before:.1f}, after the logarithm {after:.1f}"
        return KindChoice(feature=HeavyTailed(unit=unit), reason=reason)
    if not len(present):
        return KindChoice(feature=None, reason="no finite value")
    reason = f"a number, {present.min():g} to {present.max():g}"
    return KindChoice(feature=Numeric(unit=unit), reason=reason)


def skewness(numbers: npt.NDArray[np.float64]) -> float:
    """Returns the standardised third moment; 0 for a constant."""
    if not len(numbers):
        return 0.0
    centred = np.asarray(numbers, np.float64) - float(np.mean(numbers, dtype=np.float64))
    spread = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean((centred / spread) ** 3)) if spread > 0 else 0.0


def _whole_number(column: Column, positive: Bools | None) -> KindChoice:
    """Chooses between a measurement and codes, which have no order.

    Numbers of few values are mostly counts and grades, whose order trees and networks use. They are
    codes only if the label contradicts an order.
    """
    words = set(words_of(column.name))
    distinct = column.num_distinct
    enough = column.num_sampled >= _MIN_ROWS_A_VALUE * distinct
    named = names_things(column) or bool(words & _CODE_WORDS and not words & _COUNT_WORDS)
    lone = distinct == 1  # then only the presence of a value is informative
    reason = f"whole numbers with {count(distinct, 'distinct value')}, treated as codes"
    if enough and (lone or (named and distinct <= _MAX_NAMED_CODES)):
        return KindChoice(feature=_categorical(distinct), reason=reason)
    few = 4 <= distinct <= _MAX_CODES and not words & _COUNT_WORDS and not column.unit
    if enough and few and positive is not None and share_jumps(column, positive):
        reason += ": the share of positives does not follow their order"
        return KindChoice(feature=_categorical(distinct), reason=reason)
    return _number(column)


def share_jumps(column: Column, positive: Bools) -> bool:
    """Tells whether the share of positives by value is no smooth curve: a test of deviance.

    Compares a logistic regression on the value and its square with a share for each value.

    Args:
        column: Whole numbers of at least four values.
        positive: bool [sampled rows], whether the label is positive.

    References:
        McCullagh and Nelder, Generalized linear models, 1989, section 4.4.
    """
    numbers = column.sample.astype(np.float64)
    present = np.isfinite(numbers)
    values, places = np.unique(numbers[present], return_inverse=True)
    rows = np.bincount(places).astype(np.float64)
    hits = np.bincount(places, positive[present])
    scaled = (values - values.mean()) / values.std()
    design = np.stack([np.ones_like(scaled), scaled, scaled**2], axis=1)
    weights = np.zeros(3)
    for _ in range(_NEWTON_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -20, 20)))
        curvature = design.T @ (design * (rows * fitted * (1 - fitted) + 1e-9)[:, None])
        weights += np.linalg.lstsq(curvature, design.T @ (hits - rows * fitted), rcond=None)[0]
    fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -20, 20)))
    deviance = 2 * float(
        (
            special.xlogy(hits, hits / (rows * fitted))
            + special.xlogy(rows - hits, (rows - hits) / (rows * (1 - fitted)))
        ).sum()
    )
    return float(stats.chi2.sf(deviance, len(values) - 3)) < _MAX_CHANCE


def _text(column: Column) -> KindChoice:
    distinct, present = len(column.tally.texts), column.tally.num_present
    complete = column.tally.texts_complete
    if not complete:  # too many to count individually: use the sample
        distinct, present = column.num_distinct, column.num_sampled
    if distinct > max(20, present // _MIN_ROWS_A_VALUE) or distinct > _MAX_CATEGORIES:
        reason = f"free text: {count(distinct, 'distinct value')} in {count(present, 'row')}"
        return KindChoice(feature=None, reason=reason)
    reason = f"text with {count(distinct, 'distinct value')}"
    if distinct > _MAX_VOCABULARY:
        reason += f"; the {_MAX_VOCABULARY:,} most frequent are kept, the others share one category"
    return KindChoice(feature=_categorical(distinct), reason=reason)


def _truth(column: Column) -> KindChoice:
    del column
    return KindChoice(
        feature=Categorical(max_vocabulary_size=10, truth=True), reason="true or false"
    )


def _categorical(distinct: int) -> Categorical:
    return Categorical(max_vocabulary_size=min(_MAX_VOCABULARY, max(10, distinct)))
