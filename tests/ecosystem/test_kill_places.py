"""A selection of the points that `benchmarks.kill_points --places` tries."""

import shutil

import pytest

from benchmarks.kill_places import CASES
from benchmarks.kill_points import CUT, EDIT, FULL, KILL, Bench

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ecosystem,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not shutil.which("openssl"), reason="the program openssl makes the keys"),
]


@pytest.fixture(scope="module", params=list(CASES))
def bench(request, tmp_path_factory):
    return request.param, Bench(tmp_path_factory.mktemp("points"), CASES[request.param])


POINTS = {
    "database": [
        ("rows of a database", KILL),
        ("rows of a database", CUT),
        ("signature", KILL),
        ("signature", EDIT),
        ("bill of materials", CUT),
        ("OpenLineage", FULL),
    ],
    "recordings": [("table of recordings", KILL), ("table of recordings", CUT)],
}


def test_a_disturbed_place_is_followed_by_the_same_weights_with_a_valid_signature(bench):
    case, points = bench
    results = [points.try_point(place, kind) for place, kind in POINTS[case]]
    assert [(r.step, r.kind, r.code, r.outcome) for r in results] == [
        (place, kind, 0, "same weights") for place, kind in POINTS[case]
    ]
