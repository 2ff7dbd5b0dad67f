"""Anomalies as text: the observation, the expectation of the schema, and a remedy."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tensorflow_metadata.proto.v0.anomalies_pb2 import AnomalyInfo

from common.example_files import UNLABELLED
from pipeline.components.anomaly_gate.advice import DRIFT_ADVICE, advise, is_comparison
from pipeline.components.example_validator.drift import Comparison, DriftReport

UNUSED_ADVICE = "The model does not use this column, so the run goes on."
_UNLABELLED_ADVICE = (
    "These rows are in no split. If they are the latest ones, label some of them: the metrics may "
    "not hold for them."
)
# A tag in a column's annotation in the schema: values beyond its domain are a warning.
OBSERVED_RANGE = "observed range"
_RANGE_ADVICE = (
    "Look for another unit or a mark of missing values. If the values are right, widen the domain; "
    "if they must stop the run, remove its annotation."
)
_RANGE_KINDS = (AnomalyInfo.FLOAT_TYPE_BIG_FLOAT, AnomalyInfo.FLOAT_TYPE_SMALL_FLOAT)
_SCHEMA_COUNTS = "Nothing has to be done; the curated schema counts."
_NO_COLUMN = "no such column"
_MAX_NAMED = 5
_COMPARATORS = ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One anomaly.

    Attributes:
        column: The column, or empty for the data set as a whole.
        split: The split in which it was found.
        found: The observation.
        expected: The expectation of the schema or the config.
        advice: How to correct the data or the schema.
        stops: Whether it stops the run; otherwise it is a warning.
        is_drift: Whether it comes from a comparison with earlier data.
    """

    column: str
    split: str
    found: str
    expected: str
    advice: str
    stops: bool = True
    is_drift: bool = False


def find_anomalies(
    anomalies: anomalies_pb2.Anomalies,
    schema: schema_pb2.Schema,
    split: str,
    *,
    drift_stops: bool = True,
) -> Iterator[Finding]:
    """Yields the anomalies that TFDV found in a split.

    Args:
        anomalies: The ExampleValidator's output of the split.
        schema: The schema that it was compared with.
        split: The split's name.
        drift_stops: Whether drift from an earlier span stops the run or is a warning.
    """
    features = {feature.name: feature for feature in schema.feature}
    for column, info in sorted(anomalies.anomaly_info.items()):
        for reason in info.reason:
            feature = features.get(column)
            compared = is_comparison(reason.type)
            observed = reason.type in _RANGE_KINDS and _has_observed_range(feature)
            tolerated = observed or (compared and not drift_stops)
            yield Finding(
                column=column,
                split=split,
                found=_describe_reason(reason),
                expected=describe_comparator(feature) if compared else describe_feature(feature),
                advice=_RANGE_ADVICE if observed else advise(reason.type),
                stops=info.severity != AnomalyInfo.WARNING and not tolerated,
                is_drift=compared,
            )
    # Empty where TFDV found nothing about the data set as a whole.
    info = anomalies.dataset_anomaly_info
    for reason in info.reason:
        yield Finding(
            column="",
            split=split,
            found=_describe_reason(reason),
            expected="see dataset_constraints in the schema",
            advice=advise(reason.type),
            stops=info.severity != AnomalyInfo.WARNING
            and (drift_stops or not is_comparison(reason.type)),
            is_drift=is_comparison(reason.type),
        )


def _has_observed_range(feature: schema_pb2.Feature | None) -> bool:
    return feature is not None and OBSERVED_RANGE in feature.annotation.tag


def drift_findings(drift: DriftReport, *, stops: bool) -> Iterator[Finding]:
    """Yields the comparisons with earlier data that are more than chance and matter.

    Args:
        drift: The comparisons of the train split.
        stops: Whether drift stops the run or is a warning.
    """
    for one in drift.comparisons:
        if one.alarm:
            yield Finding(
                column=one.column,
                split="train",
                found=f"drift of the {one.measure} by {one.distance:.3g}: {one.text}.",
                expected=_expected_of(one, drift, "then"),
                advice=DRIFT_ADVICE,
                stops=stops,
                is_drift=True,
            )


def unlabelled_findings(drift: DriftReport) -> Iterator[Finding]:
    """Yields how the rows without a label differ from train by more than chance; warnings.

    Args:
        drift: Comparisons of these rows with the train split.
    """
    for one in drift.comparisons:
        if one.alarm:
            yield Finding(
                column=one.column,
                split=UNLABELLED,
                found=f"the {one.measure} differs from train's by {one.distance:.3g}: {one.text}.",
                expected=_expected_of(one, drift, "in train"),
                advice=_UNLABELLED_ADVICE,
                stops=False,
            )


def _expected_of(one: Comparison, drift: DriftReport, then: str) -> str:
    p_value = "below 1e-9" if one.p_value < 1e-9 else f"= {one.p_value:.2g}"
    return (
        f"less than {one.floor:.3g}, or a difference that chance explains (p {p_value}; "
        f"{drift.num_rows:,} rows, {drift.num_rows_then:,} {then})"
    )


def _describe_reason(reason: AnomalyInfo.Reason) -> str:
    text: str = reason.description.strip() or reason.short_description.strip()
    return text


def describe_comparator(feature: schema_pb2.Feature | None) -> str:
    """Describes how far a column may differ from that of an earlier span."""
    if feature is None:
        return "not in the schema"
    comparator = feature.drift_comparator
    limits = [
        f"{name.replace('_', ' ')} at most {getattr(comparator, name).threshold:g}"
        for name in _COMPARATORS
        if comparator.HasField(name)
    ]
    return f"drift_comparator: {', '.join(limits)}"


def describe_feature(feature: schema_pb2.Feature | None) -> str:
    """Describes the schema of a column."""
    if feature is None:
        return "not in the schema"
    parts = [schema_pb2.FeatureType.Name(feature.type)]
    if feature.presence.min_fraction:
        parts.append(f"present in {feature.presence.min_fraction:.0%} of rows")
    if feature.HasField("shape"):
        parts.append(f"{'x'.join(str(dim.size) for dim in feature.shape.dim)} values a row")
    if feature.domain:
        parts.append(f"domain `{feature.domain}`")
    for domain in (feature.int_domain, feature.float_domain):
        limits = [
            f"{name} {getattr(domain, name):g}" for name in ("min", "max") if domain.HasField(name)
        ]
        parts += limits
    return ", ".join(parts)


def schema_differences(inferred: schema_pb2.Schema, curated: schema_pb2.Schema) -> list[Finding]:
    """Returns the differences between the inferred and the curated schema, all of them warnings.

    Only columns and types are compared: ExampleValidator checks domains and presence.
    """
    ours = {feature.name: feature for feature in curated.feature}
    theirs = {feature.name: feature for feature in inferred.feature}
    return [
        Finding(
            column=name,
            split="train",
            found=describe_feature(theirs[name]) if name in theirs else _NO_COLUMN,
            expected=describe_feature(ours.get(name)),
            advice=_SCHEMA_COUNTS,
            stops=False,
        )
        for name in sorted(set(ours) | set(theirs))
        if _type(ours, name) != _type(theirs, name)
    ]


def _type(features: Mapping[str, schema_pb2.Feature], name: str) -> int | None:
    return features[name].type if name in features else None


def tolerate_unused(findings: Iterable[Finding], needed: Collection[str]) -> list[Finding]:
    """Returns the findings; those on columns that the model does not need are warnings.

    Args:
        findings: Findings of any kind; those on the data set as a whole are unchanged.
        needed: The columns that are a feature, the label, or used by the split or the slices.
    """
    return [
        replace(finding, stops=False, advice=UNUSED_ADVICE)
        if finding.stops and finding.column and finding.column not in needed
        else finding
        for finding in findings
    ]


def describe_warnings(findings: Iterable[Finding]) -> str:
    """Returns the first observation of each column and advice that warn; empty if there are none.

    A difference in type between the two schemas alone is not worth a line.
    """
    observations: dict[tuple[str, str], str] = {}
    for finding in findings:
        if not finding.stops and (finding.advice != _SCHEMA_COUNTS or _is_absent(finding)):
            name = f"`{finding.column}`" if finding.column else "the data set"
            observations.setdefault((name, finding.advice), finding.found.rstrip("."))
    if not observations:
        return ""
    parts = [f"{name}: {text}" for (name, _), text in list(observations.items())[:_MAX_NAMED]]
    more = len(observations) - len(parts)
    noun = "warning" if len(observations) == 1 else "warnings"
    return f"{len(observations)} {noun} ({'; '.join(parts)}{f'; and {more} more' if more else ''})"


def _is_absent(finding: Finding) -> bool:
    return finding.found == _NO_COLUMN


def findings_table(findings: list[Finding]) -> str:
    """Returns the findings as a list for people, one block each."""
    lines = []
    for finding in findings:
        place = f"`{finding.column}`" if finding.column else "the data set"
        lines += [
            f"- {place} in {finding.split}: {finding.found}",
            f"    expected: {finding.expected}",
            f"    to do: {finding.advice}",
        ]
    return "\n".join(lines)
