"""The evidence of drift of one version."""

from production.monitoring.drift.detecting import Evidence


def test_chunks_without_a_change_are_quiet_after_a_restart():
    evidence = Evidence(["pressure"], threshold=100.0)
    evidence.update(0, {"pressure": 1e-6})
    assert not evidence.has_fallen
    evidence.reset()
    # e(1) = 0.5, and M = (M + 1) / 2 is 0.5, 0.75, 0.875: it rises, and never beyond 1.
    for number in (1, 2, 3):
        evidence.update(number, {"pressure": 1.0})
        assert evidence.has_fallen


def test_a_chunk_that_adds_evidence_is_not_quiet():
    evidence = Evidence(["pressure"], threshold=100.0)
    # e(0.001) = 20.79
    for number in (0, 1):
        evidence.update(number, {"pressure": 0.001})
        assert not evidence.has_fallen
    evidence.update(2, {"pressure": 1.0})
    assert evidence.has_fallen
