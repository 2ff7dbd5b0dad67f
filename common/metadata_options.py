"""Location of ML Metadata, as a configuration value."""

from urllib.parse import urlsplit

from pydantic import field_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Metadata:
    """Location of ML Metadata.

    Attributes:
        url: `mysql://USER@HOST:PORT/DATABASE` or `postgresql://…`; by default an SQLite file in
            the output folder. The password comes from the environment variable that
            `password_env` names, never from the YAML.
        password_env: Name of that environment variable.
    """

    url: str | None = None
    password_env: str = "FAULTLINE_METADATA_PASSWORD"  # noqa: S105 - the name of a variable

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"mysql", "postgresql"} or not parts.hostname:
            raise ValueError("must be mysql://USER@HOST:PORT/DATABASE or postgresql://…")
        if parts.password:
            raise ValueError("must not hold a password; set the variable that password_env names")
        if parts.query or parts.fragment:
            # They may be `?password=…`, and a URL is recorded.
            raise ValueError("must end with the database, without `?` and `#`")
        return url
