import json

import pytest

from pipeline.data_versions.outputs import (
    TrackedOutput,
    folder_md5,
    is_tracking_file,
    listing_bytes,
    outputs_of,
    parse_listing,
)

MD5 = "0123456789abcdef0123456789abcdef"


def _outputs(name, **files):
    contents = {path: text.encode() for path, text in files.items()}
    return outputs_of(name, contents.get)


def test_a_dvc_file_records_its_output_beside_it():
    text = f"outs:\n- md5: {MD5}\n  size: 4\n  hash: md5\n  path: x.csv\n"
    assert _outputs("data/x.csv.dvc", **{"data/x.csv.dvc": text}) == [
        TrackedOutput(path="data/x.csv", md5=MD5, tracked_by="data/x.csv.dvc")
    ]


def test_a_digest_without_a_kind_is_that_of_dvc_before_3():
    text = f"outs:\n- md5: {MD5}\n  path: x.csv\n  remote: old\n"
    [output] = _outputs("x.csv.dvc", **{"x.csv.dvc": text})
    assert (output.is_legacy, output.remote) == (True, "old")


def test_a_lock_file_records_the_outputs_of_stages_in_their_working_folder():
    lock = (
        "schema: '2.0'\nstages:\n"
        f"  clean:\n    cmd: x\n    outs:\n    - path: x.csv\n      hash: md5\n      md5: {MD5}\n"
        f"  split@7:\n    cmd: x\n    outs:\n    - path: y.csv\n      hash: md5\n      md5: {MD5}\n"
    )
    stages = (
        "stages:\n  clean:\n    cmd: x\n    wdir: ../data\n"
        "  split:\n    foreach: [7]\n    do:\n      cmd: x\n      wdir: parts\n"
    )
    outputs = _outputs("flow/dvc.lock", **{"flow/dvc.lock": lock, "flow/dvc.yaml": stages})
    assert [output.path for output in outputs] == ["data/x.csv", "flow/parts/y.csv"]


def test_a_stage_whose_folder_is_a_template_is_left_out_and_named(caplog):
    lock = f"schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: x.csv\n      md5: {MD5}\n"
    files = {"dvc.lock": lock, "dvc.yaml": "stages:\n  a:\n    wdir: ${folder}\n"}
    assert _outputs("dvc.lock", **files) == []
    assert "stage a has a template in `wdir`" in caplog.text


@pytest.mark.parametrize(
    "out",
    [
        "{path: /elsewhere/x.csv, md5: abc}",
        "{path: ../../x.csv, md5: abc}",
        "{path: 's3://bucket/x.csv', md5: abc}",
        "{path: x.csv, etag: abc}",
        "{path: null, md5: abc}",
        "x.csv",
    ],
)
def test_outputs_outside_the_repository_or_without_md5_are_left_out(out):
    assert _outputs("data/x.dvc", **{"data/x.dvc": f"outs:\n- {out}\n"}) == []


@pytest.mark.parametrize("damage", [f"outs:\n<<<<<<< HEAD\n- md5: {MD5}\n=======\n", "[" * 1_000])
def test_a_damaged_file_has_no_outputs_and_the_log_names_it(damage, caplog):
    assert _outputs("x.csv.dvc", **{"x.csv.dvc": damage}) == []
    assert "x.csv.dvc cannot be read" in caplog.text


def test_a_listing_in_the_file_itself_gives_the_digest_of_the_folder():
    text = f"outs:\n- path: x\n  files:\n  - relpath: a.csv\n    md5: {MD5}\n"
    [output] = _outputs("x.dvc", **{"x.dvc": text})
    assert output.md5 == folder_md5({"a.csv": MD5})
    assert output.listing == {"a.csv": MD5}
    assert output.is_folder
    assert not output.is_legacy


def test_the_digest_of_a_folder_is_the_one_that_dvc_gives_it():
    # `dvc add` of a folder with 1.csv ("1\n") and s/é.csv ("2\n"), DVC 3.67.
    listing = {
        "s/é.csv": "26ab0db90d72e28ad0ba1e22ee510510",
        "1.csv": "b026324c6904b2a9cb4b88d6d61c81d1",
    }
    assert folder_md5(listing) == "b9d32ac70bff293c7ce73f8500681fab.dir"
    assert parse_listing(listing_bytes(listing), folder_md5(listing)) == listing


def test_a_listing_with_another_digest_is_not_used():
    content = json.dumps([{"md5": MD5, "relpath": "a.csv"}]).encode()
    assert parse_listing(content, f"{MD5}.dir") is None


def test_only_dvc_files_and_locks_are_tracking_files():
    names = ["x.csv.dvc", "flow/dvc.lock", ".dvc", "dvc.yaml", "x.csv"]
    assert [name for name in names if is_tracking_file(name)] == ["x.csv.dvc", "flow/dvc.lock"]
