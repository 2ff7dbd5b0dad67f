"""URLs of repositories and remotes as they may be recorded and shown."""

import re

_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")


def show_url(url: str) -> str:
    """Returns a URL without credentials: the user stays for ssh only, the query never.

    >>> show_url("https://token@host/team/data.git"), show_url("ssh://git:pw@host/data.git")
    ('https://host/team/data.git', 'ssh://git@host/data.git')
    >>> show_url("git@host:team/data.git"), show_url("/srv/store")
    ('git@host:team/data.git', '/srv/store')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    user, at, name = host.rpartition("@")
    keeps_user = at and scheme.rpartition("+")[2] == "ssh"
    return f"{scheme}://{user.partition(':')[0] + '@' if keeps_user else ''}{name}{slash}{path}"


def show_urls(text: str) -> str:
    """Returns a text with each URL in it as `show_url` shows it.

    >>> show_urls("cannot reach 'https://token@host/data'")
    "cannot reach 'https://host/data'"
    """
    return _URL.sub(lambda match: show_url(match[0]), text)
