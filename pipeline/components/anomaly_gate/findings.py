"""Anomalies in words: what was found, what the schema says, how to mend it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tensorflow_metadata.proto.v0.anomalies_pb2 import AnomalyInfo


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One anomaly.

    Attributes:
        column: The column, or empty for the data set as a whole.
        split: The split in which it was found.
        found: What was found.
        expected: What the schema or the config says.
        advice: How to mend the data or the schema.
        stops: Whether it stops the run; else it is a warning.
    """

    column: str
    split: str
    found: str
    expected: str
    advice: str
    stops: bool = True


# What to do, by the beginning of TFDV's name for the anomaly; the first that fits counts.
_ADVICE = (
    (
        "ENUM_TYPE_UNEXPECTED_STRING",
        "Correct the values; if they are right, add them to the column's domain.",
    ),
    (
        "SCHEMA_NEW_COLUMN",
        "Leave the column out of the data, or describe it in the schema.",
    ),
    (
        "SCHEMA_MISSING_COLUMN",
        "Bring the column back, or remove it from the schema and from `features`.",
    ),
    (
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        "Find out why values are missing; if that is usual now, lower presence.min_fraction.",
    ),
    (
        "FEATURE_TYPE_NOT_PRESENT",
        "Bring the column back, or remove its presence from the schema.",
    ),
    (
        "FEATURE_TYPE_LOW_NUMBER_PRESENT",
        "Find out why values are missing, or lower presence.min_count.",
    ),
    (
        "COMPARATOR_",
        "Find out what changed at the source; if it is here to stay, raise the comparator's "
        "threshold and train anew.",
    ),
    ("FLOAT_TYPE_HAS_NAN", "Correct the values, or allow NaN in the column's float_domain."),
    ("FLOAT_TYPE_HAS_INF", "Correct the values, or allow infinity in the column's float_domain."),
    ("FLOAT_TYPE_BIG", "Correct the values and their unit, or raise the domain's max."),
    ("FLOAT_TYPE_SMALL", "Correct the values and their unit, or lower the domain's min."),
    ("INT_TYPE_BIG", "Correct the values, or raise the domain's max."),
    ("INT_TYPE_SMALL", "Correct the values, or lower the domain's min."),
    ("INVALID_FEATURE_SHAPE", "Every row needs one value; correct the rows, or drop `shape`."),
    ("DATASET_LOW_NUM_EXAMPLES", "Bring more data, or lower num_examples in the schema."),
)
_OTHER_ADVICE = "Correct the data, or change the column's entry in the schema."


def find_anomalies(
    anomalies: anomalies_pb2.Anomalies, schema: schema_pb2.Schema, split: str
) -> Iterator[Finding]:
    """Yields what TFDV found in a split, in words.

    Args:
        anomalies: The ExampleValidator's output of the split.
        schema: The schema that it was compared with.
        split: The split's name.
    """
    features = {feature.name: feature for feature in schema.feature}
    for column, info in sorted(anomalies.anomaly_info.items()):
        yield from _reasons(info, column, describe_feature(features.get(column)), split)
    if anomalies.HasField("dataset_anomaly_info"):
        yield from _reasons(anomalies.dataset_anomaly_info, "", "see the schema", split)


def _reasons(info: AnomalyInfo, column: str, expected: str, split: str) -> Iterator[Finding]:
    for reason in info.reason:
        name = AnomalyInfo.Type.Name(reason.type)
        yield Finding(
            column=column,
            split=split,
            found=reason.description.strip() or reason.short_description.strip(),
            expected=expected,
            advice=next((text for key, text in _ADVICE if name.startswith(key)), _OTHER_ADVICE),
            stops=info.severity != AnomalyInfo.WARNING,
        )


def describe_feature(feature: schema_pb2.Feature | None) -> str:
    """Returns in words what the schema says of a column."""
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
    """Returns where the schema inferred from the data and the curated one differ: warnings all.

    Only columns and types are compared: domains and presence are the ExampleValidator's business.
    """
    ours = {feature.name: feature for feature in curated.feature}
    theirs = {feature.name: feature for feature in inferred.feature}
    return [
        Finding(
            column=name,
            split="train",
            found=describe_feature(theirs.get(name)).replace("not in the schema", "no such column"),
            expected=describe_feature(ours.get(name)),
            advice="Nothing has to be done; the curated schema counts.",
            stops=False,
        )
        for name in sorted(set(ours) | set(theirs))
        if _type(ours, name) != _type(theirs, name)
    ]


def _type(features: Mapping[str, schema_pb2.Feature], name: str) -> int | None:
    return features[name].type if name in features else None


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
