"""Findings about sounds, on files with known troubles."""

import pyarrow as pa

from models.features import Audio
from pipeline.components.anomaly_gate.sounds import count_sounds, judge_sounds
from pipeline.config import Validation
from tests.pipeline.components.recording_troubles.sounds.test_sounds import RATE, TONE, WAV, wav

SOUNDS = {"noise": Audio(sampling_rate_hz=RATE, duration_s=0.9)}


def findings(*files: bytes, **limits: float):
    rows = pa.array([[file] if file else [] for file in files], pa.list_(pa.binary()))
    counts = count_sounds([pa.record_batch({"noise": rows})], SOUNDS)
    return list(judge_sounds(counts, SOUNDS, Validation(**limits), "train"))


def test_good_sounds_give_no_findings():
    assert findings(*[wav(TONE[:7200])] * 3) == []


def test_files_that_cannot_be_decoded_stop_the_run_and_say_why():
    [finding] = findings(wav(TONE[:7200]), b"text", wav(TONE, form="FLAC"))
    assert finding.stops
    assert finding.found == (
        "2 of 3 sounds (66.7%) cannot be decoded: is no WAV file; is FLAC, not WAV"
    )


def test_a_missing_and_a_cut_sound_are_warnings():
    missing, longer = findings(WAV, b"")
    assert (missing.stops, longer.stops) == (False, False)
    assert missing.found == "1 of 2 sounds (50.0%) are missing"
    assert longer.found == "1 of 2 sounds (50.0%) are longer than 0.9 s and are cut"


def test_silence_and_a_low_rate_stop_the_run_beyond_their_limits():
    good, silent, slow = wav(TONE[:7200]), wav(0 * TONE[:7200]), wav(TONE[:3600], 4_000)
    assert [f.stops for f in findings(good, silent, slow)] == [True, True]
    limits = {"max_gap_share": 0.4, "max_wrong_rate_share": 0.4}
    assert [f.stops for f in findings(good, silent, slow, **limits)] == [False, False]
