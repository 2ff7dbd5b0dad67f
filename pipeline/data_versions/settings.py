"""DVC's settings of a repository: its remotes, and where its cache is.

References:
    https://dvc.org/doc/user-guide/project-structure/configuration
"""

import configparser
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.git.urls import show_url

_REMOTE = re.compile(r"""^'?\s*remote\s+"(?P<name>.+)"\s*'?$""")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What Faultline reads of DVC's settings; credentials are not among it.

    Attributes:
        default_remote: Name of the default remote, or empty.
        urls: URL of each remote by name, without credentials; a folder as an absolute path.
        cache: Folder of DVC's cache.
    """

    default_remote: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    cache: Path

    def remote(self, name: str) -> tuple[str, str]:
        """Returns the name and URL of a remote; of the default one without a name."""
        name = name or self.default_remote
        return name, self.urls.get(name, "")


def read_settings(dvc_root: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings of a repository, the user's and the machine's included.

    Args:
        dvc_root: The folder that holds `.dvc`.
        environ: Environment variables, which say where the user's settings are.
    """
    own = dvc_root / ".dvc"
    default, cache, urls = "", own / "cache", {}
    for file in (*_shared_files(environ), own / "config", own / "config.local"):
        parser = _parse(file)
        default = _value(parser, "core", "remote") or default
        if place := _value(parser, "cache", "dir"):
            cache = file.parent / Path(place).expanduser()
        for section in parser.sections():
            match = _REMOTE.match(section)
            if match and (url := _value(parser, section, "url")):
                urls[match["name"]] = _place(url, file.parent)
    # A remote may be a folder of another one: `remote://NAME/folder`.
    shown = {name: show_url(url) for name, url in urls.items()}
    followed = {name: _followed(url, shown) for name, url in shown.items()}
    return Settings(default_remote=default, urls=followed, cache=cache)


def _shared_files(environ: Mapping[str, str]) -> tuple[Path, Path]:
    home = environ.get("HOME") or "/"
    user = environ.get("XDG_CONFIG_HOME") or str(Path(home, ".config"))
    return (
        Path(environ.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc", "config"),
        Path(environ.get("DVC_GLOBAL_CONFIG_DIR") or Path(user, "dvc"), "config"),
    )


def _parse(file: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, inline_comment_prefixes=("#",)
    )
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        # Its text may hold credentials, so only the kind of the error is logged.
        _log.warning("DVC's settings %s cannot be read: %s", file.name, type(error).__name__)
    return parser


def _value(parser: configparser.RawConfigParser, section: str, key: str) -> str:
    return (parser.get(section, key, fallback="") or "").strip().strip("\"'")


def _place(url: str, folder: Path) -> str:
    """Returns a URL as it is, and a path as an absolute one: it is relative to its settings."""
    return url if "://" in url else os.path.normpath(folder / Path(url).expanduser())


def _followed(url: str, urls: Mapping[str, str]) -> str:
    scheme, _, rest = url.partition("://")
    name, slash, path = rest.partition("/")
    return f"{urls[name].rstrip('/')}{slash}{path}" if scheme == "remote" and name in urls else url
