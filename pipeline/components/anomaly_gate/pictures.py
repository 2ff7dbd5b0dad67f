"""Checks of pictures: files that can be decoded, size, mode, duplicates in two splits."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from models.features import Image
from pipeline.components.anomaly_gate.findings import Finding
from pipeline.components.anomaly_gate.troubles import Trouble, trouble_findings
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.duplicates import (
    MAX_COMPARED,
    Fingerprints,
    Overlap,
    find_overlaps,
)
from pipeline.components.recording_troubles.pictures.picture_file import PictureFile, read_picture

_NUM_REASONS = 2
# Proportions that differ by less are not distorted visibly.
_MAX_DISTORTION = 1.1
# A few small pictures are no reason for a smaller size of all.
_MAX_ENLARGED = 0.1


@dataclass
class PictureCounts:
    """Counts of one feature's pictures.

    Attributes:
        rows: Rows seen.
        missing: Rows without a picture.
        reasons: Why files cannot be decoded, and how many.
        smaller: Pictures with fewer pixels than the feature in a direction.
        distorted: Pictures of other proportions than the feature.
        coloured: Pictures of which grey is made.
        forms: Pictures by format and mode.
        fingerprints: What tells them from others, in parts.
    """

    rows: int = 0
    missing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    smaller: int = 0
    distorted: int = 0
    coloured: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    fingerprints: list[Fingerprints] = field(default_factory=list)


def count_pictures(
    batches: Iterable[pa.RecordBatch], pictures: Mapping[str, Image]
) -> dict[str, PictureCounts]:
    """Counts pictures with troubles.

    Args:
        batches: Record batches with a list column of files for each picture.
        pictures: The pictures by column name.
    """
    counts = {name: PictureCounts() for name in pictures}
    for batch in batches:
        for name, image in pictures.items():
            count = counts[name]
            num_hashed = sum(len(part.hashes) for part in count.fingerprints)
            files = (
                (content, _read_and_count(count, content, image))
                for content in file_contents(batch, name)
            )
            part = Fingerprints.of(files, max_hashes=MAX_COMPARED - num_hashed)
            count.fingerprints.append(part)
    return counts


def _read_and_count(counts: PictureCounts, content: bytes, image: Image) -> PictureFile | None:
    counts.rows += 1
    if not content:
        counts.missing += 1
        return None
    try:
        picture = read_picture(content)
    except ValueError as error:
        counts.reasons[str(error)] += 1
        return None
    counts.smaller += picture.height < image.height or picture.width < image.width
    counts.distorted += _distortion(picture, image) > _MAX_DISTORTION
    counts.coloured += image.channels == 1 and picture.is_coloured
    counts.forms[f"{picture.form} {picture.mode}"] += 1
    return picture


def _distortion(picture: PictureFile, image: Image) -> float:
    share = picture.width * image.height / (picture.height * image.width)
    return max(share, 1 / share)


def judge_pictures(
    counts: Mapping[str, PictureCounts], pictures: Mapping[str, Image], split: str
) -> Iterator[Finding]:
    """Yields the findings about the pictures of a split.

    A file that cannot be decoded stops the run, because the graph would fail on it. All else is a
    warning.
    """
    for name, count in counts.items():
        troubles = _troubles(name, count, pictures[name])
        yield from trouble_findings(
            troubles, column=name, split=split, total=count.rows, noun="pictures"
        )


def _troubles(name: str, count: PictureCounts, image: Image) -> Iterator[Trouble]:
    common = "; ".join(reason for reason, _ in count.reasons.most_common(_NUM_REASONS))
    size = f"{image.width} x {image.height}"
    yield Trouble(
        count.reasons.total(),
        f"cannot be used: {common}",
        "complete PNG, JPEG, BMP or GIF files",
        "Convert them, leave such rows out, or give the folder of files by data.recordings.",
        limit=0.0,
    )
    yield Trouble(count.missing, "are missing", "a file in every row", "")
    yield Trouble(
        count.smaller if count.smaller > _MAX_ENLARGED * count.rows else 0,
        f"have fewer than {size} pixels and are enlarged",
        f"at least {size} pixels in {1 - _MAX_ENLARGED:.0%} of the pictures",
        f"Lower features.{name}.height and width: an enlarged picture shows no more.",
    )
    yield Trouble(
        count.distorted,
        f"have other proportions than {size} and are distorted",
        f"proportions within {_MAX_DISTORTION - 1:.0%}",
        f"Correct features.{name}.height and width, or crop the pictures.",
    )
    yield Trouble(
        count.coloured,
        "have colours, of which only the grey is used",
        "grey pictures",
        f"Set features.{name}.channels to 3 if colours matter.",
    )
    usual, num_usual = next(iter(count.forms.most_common(1)), ("", 0))
    yield Trouble(
        count.forms.total() - num_usual,
        f"have another format or mode than {usual}",
        usual,
        "Check whether format and label go together: the model may learn the format.",
    )


def judge_duplicates(counts: Mapping[str, Mapping[str, PictureCounts]]) -> Iterator[Finding]:
    """Yields warnings about pictures that are in two splits.

    Args:
        counts: By split, what `count_pictures` returned.
    """
    splits = list(counts)
    for name in counts[splits[0]] if splits else ():
        overlaps = find_overlaps(
            {split: Fingerprints.join(counts[split][name].fingerprints) for split in splits}
        )
        for (split, earlier), overlap in overlaps.items():
            yield Finding(
                column=name,
                split=split,
                found=_overlap_words(overlap, earlier),
                expected="other pictures in each split",
                advice="The metrics are too good if the model has seen the pictures. Leave "
                "duplicates out, or keep pictures of one object in one split "
                "(split.strategy group).",
                stops=False,
            )


def _overlap_words(overlap: Overlap, earlier: str) -> str:
    parts = []
    if overlap.exact:
        parts.append(f"{overlap.exact:,} are the same file as one of `{earlier}`")
    if overlap.near:
        parts.append(f"{overlap.near:,} look like one of `{earlier}`")
    return f"of {overlap.compared:,} pictures {', and '.join(parts)}"
