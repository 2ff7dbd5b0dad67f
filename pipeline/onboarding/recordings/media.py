"""Proposed features of sounds and pictures, from a sample of the files."""

import io
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.features import Audio, Feature, Image
from pipeline.counting import count
from pipeline.onboarding.profile.words import percent
from pipeline.reading.recordings.media.orientation import upright_size

# Longest side of a proposed picture, of few and of many pictures.
_LONGEST_SIDE = 96
_LONGEST_SIDE_OF_MANY = 64
_MANY_PICTURES = 5_000
_SHORTEST_SIDE = 8
# Share of the pictures that may be smaller than proposed. AnomalyGate warns of twice as many.
_MAX_ENLARGED = 0.05
_MAX_DURATION_S = 30.0
# Share of the sounds that is heard whole.
_HEARD_WHOLE = 0.95
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "F"}


def audio_feature(files: Sequence[bytes]) -> tuple[Feature, str]:
    """Returns the feature of sounds and its reason.

    The rate is the commonest of the files, the duration the 95th percentile, up to 30 s.

    Args:
        files: WAV files.
    """
    infos = [soundfile.info(io.BytesIO(content)) for content in files]
    rates = Counter(int(info.samplerate) for info in infos)
    rate, num_of_rate = rates.most_common(1)[0]
    durations = [float(info.duration) for info in infos]
    wanted = float(np.quantile(durations, _HEARD_WHOLE))
    duration = min(_MAX_DURATION_S, max(0.1, math.ceil(10 * wanted - 1e-9) / 10))
    whole = percent(float(np.mean(np.array(durations) <= duration + 1e-9)))
    own = "all" if len(rates) == 1 else f"{percent(num_of_rate / len(infos))} of them"
    reason = (
        f"{count(len(infos), 'sound')} of {min(durations):.2g} to {max(durations):.2g} s, {own} at "
        f"{rate:,} Hz; {whole} are heard whole, and shorter ones are padded with silence"
    )
    return Audio(sampling_rate_hz=float(rate), duration_s=duration), reason


def image_feature(files: Sequence[bytes], num_pictures: int) -> tuple[Feature, str]:
    """Returns the feature of pictures and its reason.

    Their median size is scaled to a longest side of 96 pixels at most, of many pictures 64, and
    further until all but 2 % have as many pixels in both directions.

    Args:
        files: Some pictures.
        num_pictures: Number of all pictures.
    """
    sizes, grey, num_animated = [], 0, 0
    for content in files:
        with PillowImage.open(io.BytesIO(content)) as picture:
            sizes.append(upright_size(picture, content))
            grey += picture.mode in _GREY_MODES
            num_animated += bool(getattr(picture, "is_animated", False))
    most = _LONGEST_SIDE if num_pictures < _MANY_PICTURES else _LONGEST_SIDE_OF_MANY
    median = np.median(np.array(sizes), axis=0)
    width, height = _proposed_size(np.array(sizes), median, most)
    num_small = int((np.array(sizes) < (width, height)).any(axis=1).sum())
    feature = Image(height=height, width=width, channels=1 if grey == len(files) else 3)
    colours = "grey" if feature.channels == 1 else "in colour"
    reason = (
        f"{count(num_pictures, 'picture')} {colours}, of {median[0]:g} x {median[1]:g} pixels in "
        f"the median; resized to {feature.width} x {feature.height}"
    )
    if num_small:
        reason += f"; {num_small:,} are smaller, and are enlarged"
    if num_animated:
        reason += f"; {num_animated:,} are animated, and only their first frame counts"
    return feature, reason


def _proposed_size(
    sizes: NDArray[np.int64], median: NDArray[np.float64], longest_side: int
) -> tuple[int, int]:
    """Returns width and height with the proportions of the median size.

    Args:
        sizes: `[n, 2]`, width and height of each picture.
        median: `[2]`, the median width and height.
        longest_side: Largest side that is wanted; an elongated picture may need more, because its
            other side has at least 8 pixels.
    """
    fitting = np.quantile((sizes / median).min(axis=1), _MAX_ENLARGED, method="lower")
    wanted = max(longest_side / median.max(), _SHORTEST_SIDE / median.min())
    width, height = np.floor(median * min(wanted, float(fitting)) + 1e-9).astype(int).tolist()
    return max(_SHORTEST_SIDE, width), max(_SHORTEST_SIDE, height)
