"""Masks beside pictures: drawings of where the faults are, which are no pictures to learn from."""

import re
from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError
from pipeline.counting import count

_FOLDERS = {"ground_truth", "groundtruth", "masks", "gt", "segmentation", "annotations"}
_SUFFIX = re.compile(r"[-_.](mask|gt|label|annotation)$", re.IGNORECASE)


def check_no_masks(files: Sequence[str], base: str) -> None:
    """Checks that no picture is the mask of another one.

    A mask is in a folder such as `ground_truth`, or is called as another file is, with `_mask` at
    the end. It is drawn from the label: a model would tell masks from pictures, not faults.

    Args:
        files: The pictures.
        base: The folder that they are in.

    Raises:
        InputError: Some are, but not all.
    """
    paths = [Path(file) for file in files]
    stems = {path.stem for path in paths}
    masks = [path for path in paths if _is_mask(path, stems, base)]
    if not masks or len(masks) == len(paths):
        return
    raise InputError(
        f"{base} has {count(len(masks), 'mask')} among {len(paths):,} pictures, such as "
        f"{masks[0]}, by their folders or names. Move them out of this folder: a mask shows where "
        "the fault is, and as an example it would give the label away."
    )


def _is_mask(path: Path, stems: set[str], base: str) -> bool:
    below = path.relative_to(base) if path.is_relative_to(base) else path
    if _FOLDERS.intersection(part.lower() for part in below.parts[:-1]):
        return True
    stem = _SUFFIX.sub("", path.stem)
    return stem != path.stem and stem in stems
