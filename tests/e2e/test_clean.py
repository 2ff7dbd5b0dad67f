"""After a clean-up the next run works, and what the kept run made comes from the cache."""

import json

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e


def run(faultline, config):
    (faultline.cwd / "wells.yaml").write_text(config)
    done = faultline.in_fork("run", "--config", "wells.yaml", "--json")
    assert done.code in {0, 3}, done.err + faultline.last_log()
    return json.loads(done.out)


def states(summary):
    return {step["name"]: step["state"] for step in summary["steps"]}


def clean(faultline, *arguments):
    done = faultline("clean", "--keep", "1", "--json", *arguments)
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """Runs with different models, a dry run, a clean-up and the last run again.

    The gate compares with the model of the run before them, whose files a clean-up keeps.
    """
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("clean") / "cwd")
    write_wells(faultline.cwd, wells_csv())
    other = CONFIG.replace("epochs: 6", "epochs: 7")
    anchor = run(faultline, CONFIG.replace("epochs: 6", "epochs: 8"))
    first, second = run(faultline, CONFIG), run(faultline, other)
    planned = clean(faultline, "--dry-run")
    there = (faultline.output / "runs" / first["run_id"]).is_dir()
    done = clean(faultline)
    return {
        "faultline": faultline,
        "anchor": anchor,
        "first": first,
        "second": second,
        "dry_run": (planned, there),
        "done": done,
        "again": run(faultline, other),
    }


def test_the_dry_run_names_what_is_removed_then(cleaned):
    planned, there = cleaned["dry_run"]
    assert there
    assert planned["dry_run"]
    assert planned["removed"] == cleaned["done"]["removed"]
    assert {one["kind"] for one in planned["removed"]} >= {"folders of runs", "artifacts"}
    assert planned["num_bytes"] > 0


def test_the_older_run_is_gone_and_still_recorded(cleaned):
    faultline, first = cleaned["faultline"], cleaned["first"]["run_id"]
    assert not (faultline.output / "runs" / first).exists()
    assert not (faultline.output / "reports" / "wells" / first).exists()
    runs = json.loads(faultline("runs", "--json").out)
    assert first in {run["run_id"] for run in runs}


def test_the_anchor_of_comparisons_is_kept(cleaned):
    assert (cleaned["faultline"].output / "runs" / cleaned["anchor"]["run_id"]).is_dir()


def test_an_unchanged_run_finds_everything_in_the_cache(cleaned):
    ran = {name for name, state in states(cleaned["again"]).items() if state != "cached"}
    assert all(name.endswith("Resolver") for name in ran), ran
    assert cleaned["again"]["pushed_version"] == cleaned["second"]["pushed_version"]


def test_served_versions_are_untouched(cleaned):
    pushed = {cleaned[key]["pushed_version"] for key in ("anchor", "first", "second")} - {None}
    assert {path.name for path in cleaned["faultline"].versions()} == pushed


def test_the_run_that_was_removed_works_again(cleaned):
    faultline = cleaned["faultline"]
    steps = states(run(faultline, CONFIG))
    # The data are the same; the model is trained anew, for its files are gone or it is compared
    # with another one.
    assert steps["Transform"] == "cached"
    assert steps["ModelReport"] == "ran"
    assert (faultline.output / "reports" / "model-wells.html").is_file()
