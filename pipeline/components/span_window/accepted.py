"""Lookup of the accepted Examples artifacts of a window's spans."""

from collections.abc import Iterable, Mapping

from ml_metadata.proto.metadata_store_pb2 import Artifact
from tfx.components.example_gen import utils

from pipeline.components.example_validator.properties import (
    ACCEPTANCE_KEY,
    DATA_SPAN_KEY,
    EXAMPLES_ID_KEY,
)


def accepted_examples(
    examples: Iterable[Artifact],
    reports: Iterable[Artifact],
    *,
    window: Mapping[int, str],
    acceptance: str,
) -> dict[int, int]:
    """Returns the id of the Examples artifact of each span that is there.

    Args:
        examples: Examples artifacts of the pipeline.
        reports: AnomalyGate's reports, which exist only for accepted data.
        window: Span to the fingerprint of its files; an earlier reading of a span that was
            delivered again does not count.
        acceptance: Digest of everything that decides what is read and accepted.
    """
    accepted = {
        report.custom_properties[EXAMPLES_ID_KEY].int_value
        for report in reports
        if DATA_SPAN_KEY in report.custom_properties
        and report.custom_properties[ACCEPTANCE_KEY].string_value == acceptance
    }
    readings: dict[int, int] = {}
    for artifact in sorted(examples, key=lambda artifact: int(artifact.id)):
        properties = artifact.custom_properties
        if artifact.id in accepted and utils.SPAN_PROPERTY_NAME in properties:
            span = int(properties[utils.SPAN_PROPERTY_NAME].int_value)
            if window.get(span) == properties[utils.FINGERPRINT_PROPERTY_NAME].string_value:
                readings[span] = artifact.id
    return readings
