"""The SpanWindow component: the examples of several spans as one Examples artifact."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from tfx.components.example_gen import utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import Examples

from common.errors import InputError
from common.example_files import split_files, split_folder
from pipeline.components.arrow_example_gen.splitting.shares import MIN_POSITIVES
from pipeline.components.example_validator.earlier_span import read_span
from pipeline.counting import count

SPANS_KEY = "spans"
_DIGEST_KEY = "data_digest"


@component
def SpanWindow(  # noqa: N802 - a component is a noun
    spans: InputArtifact[list[Examples]],
    examples: OutputArtifact[Examples],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Puts the files of all spans into one artifact, without reading them.

    Later steps see one Examples artifact, whether it contains one span or thirty. Its files are
    hard links if the file system supports them, else copies; their names begin with the span, so
    that they sort by span.

    Args:
        spans: The spans in order, each split by itself.
        examples: Gets the files, and the sums of the spans' counts.
        code_digest: Digest of this code.

    Raises:
        InputError: `eval` or `test` has too few positives in all spans together.
    """
    names = artifact_utils.decode_split_names(spans[-1].split_names)
    check_positives(spans, names[1:])
    for split in names:
        fileio.makedirs(split_folder(examples.uri, split))
        for span in spans:
            for path in split_files(span.uri, split):
                name = f"span-{read_span(span):010d}-{PurePosixPath(path).name}"
                link_or_copy(path, f"{split_folder(examples.uri, split)}/{name}")
    examples.split_names = spans[-1].split_names
    _describe(examples, spans)


def check_positives(spans: Sequence[Artifact], splits: Sequence[str]) -> None:
    """Checks that the spans together give each split enough positives.

    Args:
        spans: Examples artifacts.
        splits: Names of the splits that must have enough.

    Raises:
        InputError: Names the split and its number of positives.
    """
    for split in splits:
        key = f"num_positives_{split}"
        num = sum(span.mlmd_artifact.custom_properties[key].int_value for span in spans)
        if num < MIN_POSITIVES:
            raise InputError(
                f"{split} of the window of {count(len(spans), 'span')} has "
                f"{count(num, 'positive')}, at least {MIN_POSITIVES} needed. Widen data.window or "
                "change the shares of split."
            )


def link_or_copy(source: str, target: str) -> None:
    """Links a file to a second name, or copies it if it cannot be linked."""
    try:
        os.link(source, target)
    except OSError:  # another file system, one without links, or a URL
        fileio.copy(source, target)


def _describe(window: Artifact, spans: Sequence[Artifact]) -> None:
    """Adds the spans' counts up, and keeps what all spans share."""
    properties = [span.mlmd_artifact.custom_properties for span in spans]
    for key, value in properties[-1].items():
        if key.startswith("num_"):
            window.set_int_custom_property(key, sum(one[key].int_value for one in properties))
        elif key.startswith(("payload_", "file_")):
            window.mlmd_artifact.custom_properties[key].CopyFrom(value)
    numbers = [read_span(span) for span in spans]
    window.set_string_custom_property(SPANS_KEY, json.dumps(numbers))
    window.set_int_custom_property(utils.SPAN_PROPERTY_NAME, numbers[-1])
    digests = "\n".join(one[_DIGEST_KEY].string_value for one in properties)
    window.set_string_custom_property(_DIGEST_KEY, hashlib.sha256(digests.encode()).hexdigest())
