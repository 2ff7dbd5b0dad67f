"""The one filter for secrets, before anything is recorded, compared, logged or printed."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

HIDDEN = "…"

_SECRET_NAMES = re.compile(
    r"secret|passw|passphrase|token|key|credential|connection_?string|\bsas\b|signature",
    re.IGNORECASE,
)
# scheme://user:password@host
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s]+(?=@)")
# The parts of a connection string or of a signed URL: AccountKey=…;
_ASSIGNED = re.compile(
    r"((?:account_?key|access_?key(?:_?id)?|shared_?access_?key|shared_?access_?signature|"
    r"api_?key|password|passwd|pwd|secret|token|credentials?|sig)\s*=\s*)[^;&\s\"',]+",
    re.IGNORECASE,
)
# Shorter values would also hide parts of other words.
_SHORTEST = 6
_known: set[str] = set()


def is_secret_name(name: str) -> bool:
    """Whether an option of this name may hold a secret."""
    return bool(_SECRET_NAMES.search(name))


def redact(value: Any) -> Any:
    """Returns a JSON value without secrets: those of options with a secret's name, and in texts.

    >>> redact({"s3_secret_access_key": "abc", "region": "eu", "retries": {"token": 3}})
    {'s3_secret_access_key': '…', 'region': 'eu', 'retries': {'token': '…'}}
    """
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if is_secret_name(str(key)) and _is_secret(inner) else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration without secrets.

    Names decide in `beam.options` only. The other keys are known to hold no secret, and columns may
    have any name.

    Args:
        values: A `Config` as JSON values.
    """
    redacted = {key: _redact_texts(value) for key, value in values.items()}
    beam = redacted.get("beam")
    if isinstance(beam, dict) and isinstance(beam.get("options"), dict):
        redacted["beam"] = beam | {"options": redact(beam["options"])}
    return redacted


def redact_args(args: Iterable[str]) -> list[str]:
    """Returns command-line options without secrets.

    >>> redact_args(["--region=eu", "--s3_secret_access_key=abc"])
    ['--region=eu', '--s3_secret_access_key=…']
    """
    redacted = []
    for arg in args:
        name, equals, _ = arg.partition("=")
        redacted.append(f"{name}={HIDDEN}" if equals and is_secret_name(name) else redact_text(arg))
    return redacted


def redact_text(text: str) -> str:
    """Returns a text without passwords in URLs, parts of connection strings and known secrets.

    >>> redact_text("postgresql://ada:lovelace@db/runs")
    'postgresql://ada:…@db/runs'
    """
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}", text)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


def learn_secrets(args: Iterable[str]) -> None:
    """Notes the secrets among options, so that `redact_text` and logs hide them in any text.

    Args:
        args: Options, `--name=value`.
    """
    for arg in args:
        name, _, value = arg.partition("=")
        if is_secret_name(name) and len(value) >= _SHORTEST:
            _known.add(value)
    if _known and not isinstance(logging.getLogRecordFactory(), _RedactingFactory):
        logging.setLogRecordFactory(_RedactingFactory(logging.getLogRecordFactory()))


class _RedactingFactory:
    """Makes log records without secrets, tracebacks included."""

    def __init__(self, create: Callable[..., logging.LogRecord]) -> None:
        self._create = create

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._create(*args, **kwargs)
        record.msg, record.args = redact_text(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redact_text(logging.Formatter().formatException(record.exc_info))
        return record


def _is_secret(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _redact_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _redact_texts(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_texts(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value
