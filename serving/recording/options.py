"""Options of the recording, as `--collect_config` holds them."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from serving.headers import KEY_HEADER

ACTIONS = ("drop", "hash")
# A live file is read whole when it becomes a Parquet file, and several are open at a time.
_MIN_FILES = 4


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """What is recorded of requests, and how much memory and disk that may take.

    Attributes:
        share: Share of the requests, in (0, 1]; drawn by their ids, so that all servers draw the
            same ones. Requests with a positive decision are always recorded.
        redact: `drop` or `hash` by column: a feature, or `key`, the sticky key.
        max_mb: Size of a model's recorded files in MB, > 0; beyond it, the oldest closed files are
            deleted.
        max_file_mb: Size of a live file in MB from which on it is closed, > 0.
        max_queue_mb: Size of the requests in MB that wait to be recorded, > 0; beyond it, requests
            are answered but not recorded.
        prediction_log: Whether Predict requests are also written as TensorFlow Serving's
            PredictionLog, in TFRecord files.
        key_header: Request header with the sticky key, in lower case.
    """

    share: float = 1.0
    redact: Mapping[str, str] = field(default_factory=dict)
    max_mb: float = 10_000.0
    max_file_mb: float = 64.0
    max_queue_mb: float = 64.0
    prediction_log: bool = False
    key_header: str = KEY_HEADER

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be > 0 and <= 1, got {self.share}")
        for name in ("max_mb", "max_file_mb", "max_queue_mb"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        if self.max_file_mb * _MIN_FILES > self.max_mb:
            raise ValueError(
                f"max_mb must be at least {_MIN_FILES} times max_file_mb, "
                f"got {self.max_mb:g} and {self.max_file_mb:g}"
            )
        for column, action in self.redact.items():
            if action not in ACTIONS:
                raise ValueError(f"redact.{column} must be `drop` or `hash`, got {action!r}")
        if not self.key_header or self.key_header != self.key_header.lower():
            raise ValueError(
                "key_header must be the name of a header in lower case, as servers compare it, "
                f"got {self.key_header!r}"
            )
        if self.prediction_log and self.redact:
            raise ValueError(
                "prediction_log writes requests as they were sent and cannot be used with redact; "
                "remove one of the two"
            )


def in_sample(request_id: str, share: float) -> bool:
    """Returns whether a request is drawn, the same for all servers.

    Only requests that are drawn are a fair sample of pairs of answers: with a share below 1, a
    request whose positive answer comes from one of two models is recorded by that one alone.

    Args:
        request_id: Its id.
        share: Share of the requests, in (0, 1].
    """
    if share >= 1:
        return True
    digest = hashlib.blake2b(request_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def read_options(path: str) -> RecordingOptions:
    """Returns the options in a JSON file; the defaults without a path.

    Raises:
        ServingError: INVALID_ARGUMENT if the file cannot be read, is not a JSON object, or holds an
            unknown key or a value out of range.
    """
    from serving.errors import invalid_argument  # gRPC, which a YAML with options does not need

    if not path:
        return RecordingOptions()
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        return _options(document)
    except OSError as error:
        raise invalid_argument(
            f"--collect_config={path} cannot be read: {error.strerror or error}"
        ) from error
    except (ValueError, TypeError) as error:
        raise invalid_argument(f"--collect_config={path}: {error}") from error


def _options(document: Any) -> RecordingOptions:
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {type(document).__name__}")
    names = [option.name for option in fields(RecordingOptions)]
    for key, value in document.items():
        if key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(names)}"
            raise ValueError(f"unknown key `{key}`{hint}")
        _check_kind(key, value, getattr(RecordingOptions(), key))
    return RecordingOptions(**document)


def _check_kind(key: str, value: Any, default: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number if isinstance(default, float) else isinstance(value, type(default))
    if not fits:
        raise ValueError(
            f"{key} must be of the type of its default, {json.dumps(default)}; "
            f"got {json.dumps(value)}"
        )
