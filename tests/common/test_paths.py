from pathlib import Path

from common.paths import shown_path, tidy_path


def test_a_path_is_shown_without_detours_whether_it_is_there_or_not(tmp_path):
    (tmp_path / "configs").mkdir()
    assert tidy_path(tmp_path / "configs" / ".." / "data" / "x.csv") == tmp_path / "data" / "x.csv"
    assert tidy_path(Path("./a/../b")) == Path("b")


def test_a_detour_through_a_link_stays_for_it_leads_elsewhere(tmp_path):
    (tmp_path / "far" / "configs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "configs")
    # link/.. is far/, not the folder in which the link lies.
    detour = tmp_path / "link" / ".." / "x.csv"
    assert tidy_path(detour) == detour


def test_a_path_is_shown_relative_only_below_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert shown_path(tmp_path / "work" / "output") == "output"
    assert shown_path(tmp_path / "other") == str(tmp_path / "other")
