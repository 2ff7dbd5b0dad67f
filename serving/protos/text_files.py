"""Config files in protobuf text format."""

import logging
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.errors import invalid_argument, not_found

logger = logging.getLogger(__name__)
_Message = TypeVar("_Message", bound=Message)


def read_text_proto(path: str, message_type: type[_Message]) -> _Message:
    """Returns the message in a text-format file.

    Raises:
        ServingError: NOT_FOUND if the file is missing; INVALID_ARGUMENT `Invalid protobuf file: …`
            if it cannot be parsed. Line, column and reason are logged.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise not_found(f"{path}; {error.strerror}") from error
    except UnicodeDecodeError as error:
        logger.error("Error parsing text-format file %s: not UTF-8: %s", path, error)
        raise invalid_argument(f"Invalid protobuf file: '{path}'") from error
    try:
        message: _Message = text_format.Parse(text, message_type())
    except text_format.ParseError as error:
        logger.error(
            "Error parsing text-format %s: %s",
            message_type.DESCRIPTOR.full_name,
            str(error).replace(" : ", ": ", 1),
        )
        raise invalid_argument(f"Invalid protobuf file: '{path}'") from error
    return message
