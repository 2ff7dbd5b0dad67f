import pytest

from pipeline.reading.recordings.beside import FileMatcher

FILES = ["a/7.wav", "b/8.wav"]


@pytest.mark.parametrize("id_", ["a/7.wav", "a/7", "7.wav", "7", "night/a/7.wav"])
def test_an_id_is_a_path_or_a_name_with_suffix_or_without(id_: str):
    matcher = FileMatcher([id_], FILES)
    assert [matcher.match(file) for file in FILES] == [[id_], []]


def test_an_id_in_another_folder_is_not_the_file_of_the_same_name():
    matcher = FileMatcher(["b/7.wav", "b/8.wav"], FILES)
    assert [matcher.match(file) for file in FILES] == [[], ["b/8.wav"]]


def test_a_name_that_two_files_share_means_neither():
    matcher = FileMatcher(["7.wav"], ["a/7.wav", "b/7.wav"])
    assert matcher.match("a/7.wav") == []
    assert matcher.ambiguous("a/7.wav") == "7.wav"
