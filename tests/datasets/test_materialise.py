import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from datasets import materialise
from datasets.signals import main
from datasets.writing import SCHEMA

SMALL = {"num_healthy": 30, "num_faulty": 5}
TWO_BLOCKS = {"num_healthy": 700, "num_faulty": 5}  # of 512 recordings


def hash_file(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_signals_are_written_by_span_in_several_row_groups(tmp_path):
    pattern = materialise("signals", tmp_path, TWO_BLOCKS | {"num_spans": 2})

    assert pattern == str(tmp_path / "span-{SPAN}" / "*.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "span-1", "span-2"]
    file = pq.ParquetFile(tmp_path / "span-2" / "recordings.parquet")
    assert file.schema_arrow.names == SCHEMA.names
    assert file.schema_arrow.field("voltage").equals(SCHEMA.field("voltage"))
    assert file.schema_arrow.field("timestamp").type.tz == "UTC"
    assert file.num_row_groups == 2


def test_equal_options_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        materialise("signals", tmp_path / name, TWO_BLOCKS)

    first, second = (tmp_path / name / "span-1" / "recordings.parquet" for name in ("a", "b"))
    assert hash_file(first) == hash_file(second)


def test_data_that_match_stay_untouched_when_a_span_is_added(tmp_path):
    materialise("signals", tmp_path, SMALL)
    path = tmp_path / "span-1" / "recordings.parquet"
    before = path.stat()
    materialise("signals", tmp_path, SMALL | {"num_spans": 2})

    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert (tmp_path / "span-2" / "recordings.parquet").exists()


def test_other_options_replace_the_data(tmp_path):
    materialise("signals", tmp_path, SMALL | {"num_spans": 2})
    materialise("signals", tmp_path, {"num_healthy": 10, "num_faulty": 1})

    assert pq.read_metadata(tmp_path / "span-1" / "recordings.parquet").num_rows == 11
    assert not (tmp_path / "span-2").exists()


def test_a_truncated_file_is_written_again(tmp_path):
    materialise("signals", tmp_path, SMALL)
    path = tmp_path / "span-1" / "recordings.parquet"
    whole = hash_file(path)
    path.write_bytes(path.read_bytes()[:1000])
    materialise("signals", tmp_path, SMALL)

    assert hash_file(path) == whole


def test_a_broken_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("[1]")

    with pytest.raises(ValueError, match=r"manifest.json is not a manifest .* Remove it"):
        materialise("signals", tmp_path, SMALL)


def test_taxi_is_the_file_in_the_installed_tfx(tmp_path):
    path = materialise("taxi", tmp_path, {})

    with Path(path).open(encoding="utf-8") as file:
        assert "big_tipper" in file.readline()
    assert list(tmp_path.iterdir()) == []


def test_taxi_without_tfx_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(FileNotFoundError, match=r"tfx is not installed.*set-up"):
        materialise("taxi", tmp_path, {})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("signal", {}, "Unknown data set 'signal'. Did you mean 'signals'"),
        ("zzz", {}, "Known are: micrographs, signals, sounds, taxi"),
        ("taxi", {"seed": 1}, "taxi: takes no options, got seed"),
        ("signals", {"sed": 1}, "unknown option 'sed'. Did you mean 'seed'"),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        materialise(name, tmp_path, options)


def test_the_command_writes_what_materialise_writes(tmp_path):
    arguments = ["--out", str(tmp_path / "a"), "--num-healthy", "30", "--num-faulty", "5"]
    result = CliRunner().invoke(main, arguments)
    materialise("signals", tmp_path / "b", SMALL)

    assert result.exit_code == 0, result.output
    assert "1 span(s), 1 written now" in result.output
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in "ab"]
    assert manifests[0] == manifests[1]


def test_the_command_refuses_bad_options_with_exit_code_2(tmp_path):
    result = CliRunner().invoke(main, ["--out", str(tmp_path), "--num-spans", "0"])

    assert result.exit_code == 2
    assert "num_spans must be >= 1, got 0" in result.output


def test_importing_the_package_loads_neither_tfx_nor_tensorflow():
    code = "import datasets.signals, sys; print({'tfx', 'tensorflow'} & set(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"
