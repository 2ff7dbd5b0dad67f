import pytest

from pipeline.reading.recordings.beside.matching import FileMatcher

FILES = ["a/7.wav", "b/8.wav"]


@pytest.mark.parametrize("id_", ["a/7.wav", "a/7", "7.wav", "7", "night/a/7.wav"])
def test_an_id_is_a_path_or_a_name_with_suffix_or_without(id_: str):
    matcher = FileMatcher([id_], FILES, base="/data/night")
    assert [matcher.match(file) for file in FILES] == [[id_], []]


def test_an_id_in_another_folder_is_not_the_file_of_the_same_name():
    matcher = FileMatcher(["b/7.wav", "b/8.wav"], FILES, base="/data")
    assert [matcher.match(file) for file in FILES] == [[], ["b/8.wav"]]


def test_a_name_that_two_files_share_means_neither():
    matcher = FileMatcher(["7.wav"], ["a/7.wav", "b/7.wav"], base="/data")
    assert matcher.match("a/7.wav") == []
    assert matcher.ambiguous("a/7.wav") == "7.wav"


@pytest.mark.parametrize(
    ("id_", "file"),
    [
        ("rec_7.csv", "REC_7.CSV"),
        ("Pr\u00fcfung_7.csv", "Pru\u0308fung_7.csv"),  # as macOS stores it
        ("a/rec.csv", "data/a/rec.csv"),
        ("C:/Users/me/data/a/rec.csv", "data/a/rec.csv"),
    ],
)
def test_an_id_is_matched_however_its_letters_and_folders_are_written(id_: str, file: str):
    assert FileMatcher([id_], [file, "data/b/rec.csv"], base="/data").match(file) == [id_]


def test_case_counts_where_it_tells_files_or_ids_apart():
    matcher = FileMatcher(["rec_a", "rec_A"], ["rec_a.csv", "rec_A.csv"], base="/data")
    assert [matcher.match(file) for file in ("rec_a.csv", "rec_A.csv")] == [["rec_a"], ["rec_A"]]
    assert FileMatcher(["REC_A", "rec_A"], ["rec_a.csv"], base="/data").match("rec_a.csv") == []


def test_an_id_with_other_outer_folders_is_not_the_end_of_a_path():
    assert FileMatcher(["night/b/7.wav"], ["day/b/7.wav"], base="/data").match("day/b/7.wav") == []


@pytest.mark.parametrize(
    ("id_", "is_own"),
    [
        ("a/7.wav", True),
        ("data/a/7", True),
        ("/srv/data/a/7.wav", True),
        ("D:/recorder/A/7.wav", True),
        ("b/7.wav", False),
        ("other/a/7.wav", False),
        ("D:/recorder/b/7.wav", False),
    ],
)
def test_the_folders_of_an_id_are_those_of_the_absolute_path(id_: str, is_own: bool):
    matcher = FileMatcher([id_], ["7.wav"], base="/srv/data/a")
    assert matcher.match("7.wav") == ([id_] if is_own else [])


@pytest.mark.parametrize(("id_", "file"), [("1", "001.csv"), ("run 7", "a/Run 007.wav")])
def test_an_id_may_lack_the_zeros_before_its_number(id_: str, file: str):
    assert FileMatcher([id_], [file, "a/010.csv"], base="/data").match(file) == [id_]


def test_zeros_count_where_they_tell_files_apart():
    matcher = FileMatcher(["1"], ["1.csv", "001.csv"], base="/data")
    assert [matcher.match(file) for file in ("1.csv", "001.csv")] == [["1"], []]
    several = FileMatcher(["1"], ["01.csv", "001.csv"], base="/data")
    assert [several.match(file) for file in ("01.csv", "001.csv")] == [[], []]
    assert several.ambiguous("01.csv") == "1"
    assert FileMatcher(["0.5"], ["0.05.csv"], base="/data").match("0.05.csv") == []
