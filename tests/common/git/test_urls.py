import pytest

from common.git.urls import show_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://token@host/team/data.git", "https://host/team/data.git"),
        ("https://ada:love@lace@host/data", "https://host/data"),
        ("https://host/data?sig=secret#x", "https://host/data"),
        ("ssh://git:secret@host/data.git", "ssh://git@host/data.git"),
        ("git+ssh://git@host/data.git", "git+ssh://git@host/data.git"),
        ("git@host:team/data.git", "git@host:team/data.git"),
        ("/srv/data#1", "/srv/data#1"),
    ],
)
def test_a_url_is_shown_without_credentials(url, shown):
    assert show_url(url) == shown
