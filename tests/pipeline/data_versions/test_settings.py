import pytest

from pipeline.data_versions.settings import read_settings


@pytest.fixture
def root(tmp_path):
    (tmp_path / "project" / ".dvc").mkdir(parents=True)
    return tmp_path / "project"


def _settings(root, text, *, local="", user=""):
    (root / ".dvc" / "config").write_text(text)
    (root / ".dvc" / "config.local").write_text(local)
    home = root.parent / "home"
    (home / ".config" / "dvc").mkdir(parents=True)
    (home / ".config" / "dvc" / "config").write_text(user)
    return read_settings(root, {"HOME": str(home), "DVC_SYSTEM_CONFIG_DIR": str(home / "none")})


def test_a_remote_in_a_folder_is_relative_to_the_settings(root, tmp_path):
    text = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    settings = _settings(root, text)
    assert settings.remote("") == ("store", str(tmp_path / "store"))
    assert settings.cache == root / ".dvc" / "cache"


def test_local_settings_overrule_those_of_the_project_and_the_user(root):
    user = "[core]\n    remote = user\n[cache]\n    dir = /shared/cache\n"
    local = "[core]\n    remote = mine\n['remote \"mine\"']\n    url = s3://mine/data\n"
    settings = _settings(root, "[core]\n    remote = theirs\n", local=local, user=user)
    assert settings.remote("") == ("mine", "s3://mine/data")
    assert str(settings.cache) == "/shared/cache"


def test_credentials_are_not_read(root):
    text = (
        "['remote \"web\"']\n    url = https://ada:lovelace@host/data?sig=abc # note\n"
        "    password = lovelace\n"
        "['remote \"part\"']\n    url = remote://web/part\n"
    )
    settings = _settings(root, text)
    assert settings.urls == {"web": "https://host/data", "part": "https://host/data/part"}
    assert "lovelace" not in repr(settings)


def test_without_a_remote_name_and_url_are_empty(root):
    assert _settings(root, "").remote("") == ("", "")


def test_damaged_settings_are_named_without_their_text(root, caplog):
    assert _settings(root, "password = secret\n").urls == {}
    assert "config cannot be read: MissingSectionHeaderError" in caplog.text
    assert "secret" not in caplog.text
