"""Checks of sounds: files that can be decoded, rate, duration, silence, clipping, offset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from models.features import Audio
from pipeline.components.anomaly_gate.findings import Finding
from pipeline.components.anomaly_gate.troubles import Trouble, trouble_findings
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.sounds.measures import measure_sounds
from pipeline.config import Validation

_NUM_REASONS = 2
# A duration that is longer by less, such as by the last buffer of a recorder, is not cut.
_DURATION_TOLERANCE = 0.01


@dataclass
class SoundCounts:
    """Counts of one feature's sounds.

    Attributes:
        rows: Rows seen.
        reasons: Why files cannot be decoded, and how many.
        missing: Rows without a sound.
        slower: Sounds of a rate below the nominal one.
        longer: Sounds that the model hears only the beginning of.
        silent: Sounds that are silent, or have a dropout.
        clipped: Sounds that are clipped.
        offset: Sounds whose mean is off zero.
        num_channels: Sounds by their number of channels.
    """

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    slower: int = 0
    longer: int = 0
    silent: int = 0
    clipped: int = 0
    offset: int = 0
    num_channels: Counter[int] = field(default_factory=Counter)


def count_sounds(
    batches: Iterable[pa.RecordBatch], sounds: Mapping[str, Audio]
) -> dict[str, SoundCounts]:
    """Counts sounds with troubles.

    Args:
        batches: Record batches with a list column of files for each sound.
        sounds: The sounds by column name.
    """
    counts = {name: SoundCounts() for name in sounds}
    for batch in batches:
        for name, audio in sounds.items():
            _add(counts[name], batch, name, audio)
    return counts


def _add(counts: SoundCounts, batch: pa.RecordBatch, name: str, audio: Audio) -> None:
    contents = list(file_contents(batch, name))
    measures, reasons = measure_sounds(contents)
    counts.rows += len(contents)
    counts.reasons.update(reason for reason in reasons if reason)
    counts.missing += sum(not content for content in contents)
    counts.slower += int(measures.is_slower(audio.sampling_rate_hz).sum())
    longest_s = (1 + _DURATION_TOLERANCE) * audio.duration_s
    counts.longer += int((measures.duration_s > longest_s).sum())
    counts.silent += int(measures.is_silent.sum())
    counts.clipped += int(measures.is_clipped.sum())
    counts.offset += int(measures.has_offset.sum())
    there = measures.num_channels[np.isfinite(measures.num_channels)]
    counts.num_channels.update(there.astype(int).tolist())


def judge_sounds(
    counts: Mapping[str, SoundCounts],
    sounds: Mapping[str, Audio],
    limits: Validation,
    split: str,
) -> Iterator[Finding]:
    """Yields the findings about sounds; within the limits they are warnings.

    A file that cannot be decoded always stops the run, because the graph would fail on it.
    """
    for name, count in counts.items():
        troubles = (
            *_decided_by_limits(name, count, sounds[name], limits),
            *_remarkable(name, count, sounds[name]),
        )
        yield from trouble_findings(
            troubles, column=name, split=split, total=count.rows, noun="sounds"
        )


def _decided_by_limits(
    name: str, count: SoundCounts, audio: Audio, limits: Validation
) -> Iterator[Trouble]:
    """Missing files, those that cannot be decoded, and troubles with a limit."""
    common = "; ".join(reason for reason, _ in count.reasons.most_common(_NUM_REASONS))
    yield Trouble(
        count.reasons.total(),
        f"cannot be decoded: {common}",
        "WAV files of PCM or float samples",
        "Convert them, leave such rows out, or give the folder of files by data.recordings.",
        limit=0.0,
    )
    yield Trouble(
        count.missing,
        "are missing",
        "a file in every row",
        "Leave such rows out, unless requests may lack the sound too.",
    )
    yield Trouble(
        count.slower,
        f"were sampled at less than {audio.sampling_rate_hz:g} Hz and lack the high frequencies",
        f"at most {limits.max_wrong_rate_share:.1%} (validation.max_wrong_rate_share)",
        f"Lower features.{name}.sampling_rate_hz, or leave such rows out.",
        limit=limits.max_wrong_rate_share,
    )
    yield Trouble(
        count.silent,
        "are silent or have a dropout",
        f"at most {limits.max_gap_share:.1%} (validation.max_gap_share)",
        "Mend the acquisition, or raise the limit if the model may learn from gaps.",
        limit=limits.max_gap_share,
    )


def _remarkable(name: str, count: SoundCounts, audio: Audio) -> Iterator[Trouble]:
    """Troubles that are warnings whatever their share."""
    yield Trouble(
        count.longer,
        f"are longer than {audio.duration_s:g} s and are cut",
        f"at most {audio.duration_s:g} s",
        f"Raise features.{name}.duration_s if what follows matters.",
    )
    yield Trouble(count.clipped, "are clipped", "no clipping", "Lower the gain of the recorder.")
    yield Trouble(count.offset, "have a DC offset", "a mean of 0", "Check the recorder's input.")
    usual, num_usual = next(iter(count.num_channels.most_common(1)), (1, 0))
    channels = "channel" if usual == 1 else "channels"
    yield Trouble(
        count.num_channels.total() - num_usual,
        "have another number of channels",
        f"{usual} {channels}",
        "Check that they were recorded alike: the model takes the mean of the channels.",
    )
