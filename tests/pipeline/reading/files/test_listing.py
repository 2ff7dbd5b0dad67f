import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.files.listing import divide, list_files, matching_files
from pipeline.reading.files.locations import resolve_source, source_files

# Any name of a file system that a protocol buffer can carry, without TFX's own specs.
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name.strip(".") and len(name.encode()) < 100 and "{" not in name)
HIDDEN = (".", "_", "~$")


def write(folder, *names):
    for name in names:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n1\n")


def read_by_run(path, folder):
    """The files that `run` reads where `init` was given the same path."""
    return source_files(resolve_source(path, folder=Path(folder), data=Data(path=path)))


def test_a_folder_means_its_data_files_alone(tmp_path):
    write(tmp_path, "b.csv", "a.csv", "README.md", ".hidden.csv", "_SUCCESS", "_part.csv")
    expected = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    assert list_files(str(tmp_path)) == expected
    assert read_by_run(".", tmp_path) == expected


@pytest.mark.parametrize("path", ["logs", "logs/*.csv", "logs/*", "*/*.CSV"])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, path):
    write(tmp_path, "logs/jan.csv", "logs/FEB.CSV", "logs/mar.Csv")
    names = [Path(file).name for file in list_files(f"{tmp_path}/{path}")]
    assert names == ["FEB.CSV", "jan.csv", "mar.Csv"]
    assert [Path(file).name for file in read_by_run(path, tmp_path)] == names


def test_of_two_names_that_differ_in_case_the_one_that_was_given_is_read(tmp_path):
    write(tmp_path, "a.csv", "a.CSV")
    assert list_files(f"{tmp_path}/a.csv") == [f"{tmp_path}/a.csv"]
    assert read_by_run("a.CSV", tmp_path) == [f"{tmp_path}/a.CSV"]


def test_a_glob_means_what_it_matches(tmp_path):
    write(tmp_path, "a1.csv", "a2.csv", "b1.csv", ".a3.csv")
    assert list_files(f"{tmp_path}/a*.csv") == [f"{tmp_path}/a1.csv", f"{tmp_path}/a2.csv"]
    assert list_files(f"{tmp_path}/[!a]?.csv") == [f"{tmp_path}/b1.csv"]


def test_two_stars_mean_any_depth_and_hidden_folders_are_left_out(tmp_path):
    write(tmp_path, "x/a.csv", "x/y/z/b.csv", "x/.git/c.csv", "x/_old/d.csv")
    expected = [f"{tmp_path}/x/a.csv", f"{tmp_path}/x/y/z/b.csv"]
    assert list_files(f"{tmp_path}/x/**/*.csv") == expected
    assert read_by_run("x/**/*.csv", tmp_path) == expected


def test_brackets_in_a_real_path_are_literal_and_a_glob_may_follow(tmp_path):
    write(tmp_path, "line [A]/run[1].csv", "line [A]/run[2].csv", "line A/run1.csv")
    assert list_files(f"{tmp_path}/line [A]/run[1].csv") == [f"{tmp_path}/line [A]/run[1].csv"]
    assert len(list_files(f"{tmp_path}/line [A]/run*.csv")) == 2
    # This path does not exist as written, so its brackets are a pattern.
    assert list_files(f"{tmp_path}/line A/run[12].csv") == [f"{tmp_path}/line A/run1.csv"]


def test_sub_folders_are_read_where_the_folder_itself_has_no_data(tmp_path):
    write(tmp_path, "2025/01/a.csv", "2025/02/b.CSV", "notes.txt")
    names = ["2025/01/a.csv", "2025/02/b.CSV"]
    assert list_files(str(tmp_path)) == [f"{tmp_path}/{name}" for name in names]
    assert read_by_run(".", tmp_path) == [f"{tmp_path}/{name}" for name in names]


def test_data_files_in_a_folder_and_in_its_sub_folders_are_an_error_that_offers_both(tmp_path):
    write(tmp_path, "a.csv", "old/b.csv")
    with pytest.raises(
        InputError, match=r"a\.csv.*old/b\.csv.*\*\.csv for the files.*\*\*/\*\.csv"
    ):
        list_files(str(tmp_path))
    with pytest.raises(InputError, match=r"sub-folders"):
        read_by_run(".", tmp_path)


def test_a_link_to_a_folder_above_is_followed_once(tmp_path):
    write(tmp_path, "x/y/a.csv")
    (tmp_path / "x" / "y" / "again").symlink_to(tmp_path / "x")
    assert list_files(str(tmp_path / "x")) == [f"{tmp_path}/x/y/a.csv"]
    assert read_by_run("x", tmp_path) == [f"{tmp_path}/x/y/a.csv"]


def test_a_folder_between_partition_folders_and_files_is_an_error(tmp_path):
    write(tmp_path, "site=north/2025/a.csv")
    with pytest.raises(InputError, match=r"site=north/2025/a\.csv: folders `key=value`"):
        list_files(str(tmp_path))


@pytest.mark.parametrize("path", ["none.csv", "none/*.csv", "none/**/*.csv", "empty", "[x]/a.csv"])
def test_nothing_there_is_an_error_that_names_the_path(tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        list_files(f"{tmp_path}/{path}")
    assert str(caught.value).startswith(f"No data found at {tmp_path}/{path}")


def test_a_folder_without_data_files_tells_what_it_has(tmp_path):
    write(tmp_path, "a.txt", "b.dat")
    with pytest.raises(InputError, match=r"It has a\.txt, b\.dat"):
        list_files(str(tmp_path))


@given(folder=NAMES, name=NAMES, suffix=st.sampled_from([".csv", ".CSV", ".Csv.GZ", ".parquet"]))
def test_any_real_path_is_taken_literally(folder, name, suffix):
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, folder, name + suffix)
        assume(path.parent.name == folder and path.name == name + suffix)
        write(path.parent, path.name)
        assert list_files(str(path)) == [str(path)]
        assert read_by_run(f"{folder}/{name}{suffix}", root) == [str(path)]
        if not name.startswith(HIDDEN):
            assert list_files(str(path.parent)) == [str(path)]
            assert read_by_run(folder, root) == [str(path)]
        base, pattern = divide(str(path))
        assert matching_files(base, pattern) == [str(path)]


@given(names=st.sets(NAMES, max_size=6), stem=NAMES)
def test_a_folder_lists_all_visible_files_and_no_other(names, stem):
    with tempfile.TemporaryDirectory() as root:
        expected = {str(Path(root, "x", f"{name}.csv")) for name in {*names, f"n{stem}"}}
        write(root, *(f"x/{name}.csv" for name in {*names, f"n{stem}"}), "x/unknown.suffix")
        visible = [file for file in expected if not Path(file).name.startswith(HIDDEN)]
        assert list_files(f"{root}/x") == sorted(visible)
        assert read_by_run("x", root) == sorted(visible)
