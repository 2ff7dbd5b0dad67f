"""A stamp for tests of pages."""

from pipeline.publishing.stamp import Stamp

STAMP = Stamp(
    run_id="r1",
    use_case="wells",
    started="2026-11-23T10:15:00Z",
    verdict="REJECTED",
    version="",
    data_digest="d" * 64,
    commit="c0ffee",
)
