"""Options for the delivery of alarms."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Hours = Annotated[float, Field(gt=0, le=8766)]
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)


def variable_of(text: str) -> str | None:
    """Returns the environment variable that a value such as `$WEBHOOK` names; None for another.

    >>> variable_of("$WEBHOOK"), variable_of("https://host/path")
    ('WEBHOOK', None)
    """
    match = _VARIABLE.fullmatch(text)
    return match[1] if match else None


def check_webhook(url: str) -> str:
    """Returns an URL that alarms can be sent to.

    Raises:
        ValueError: It is no URL of HTTP; the message does not hold it, since it may be a secret.
    """
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError("must be an URL such as https://alarms.example/faultline")
    return url


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Email:
    """Delivery of alarms by e-mail.

    Attributes:
        host: SMTP server.
        port: Its port.
        sender: Address that mails come from.
        to: Addresses that mails go to, at least one.
        starttls: Whether the connection is encrypted before anything is sent; then the server needs
            a valid certificate.
        user: Name for the login; by default there is no login.
        password_file: File with the password of `user`, on its first line; read for each mail.
    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    sender: Address
    to: Annotated[list[Address], Field(min_length=1)]
    starttls: bool = True
    user: str | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _encrypted_login(self) -> "Email":
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together: set both, or neither")
        if self.user is not None and not self.starttls:
            raise ValueError(
                "a login needs starttls: the password would cross the network in clear"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Receivers:
    """Where alarms are sent; all that are set get each alarm.

    Attributes:
        webhook: URL that gets the alarm as JSON by POST, or `$NAME` for an URL in the environment
            variable NAME. Where the URL itself is a secret, take the variable.
        email: Delivery by e-mail.
        command: Program and arguments; it gets the alarm as JSON on standard input, and must exit
            with 0.
    """

    webhook: Annotated[str, Field(min_length=1)] | None = None
    email: Email | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None

    @field_validator("webhook")
    @classmethod
    def _without_secret(cls, webhook: str | None) -> str | None:
        if webhook is None or variable_of(webhook) is not None:
            return webhook
        parts = urlsplit(check_webhook(webhook))
        if parts.query or parts.username or parts.password:
            raise ValueError(
                "must hold neither a user, nor a password, nor a query, all of which may be "
                "secrets. Put the URL into an environment variable, and set `webhook: $NAME`"
            )
        return webhook


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Delivery(Receivers):
    """How alarms are delivered.

    Attributes:
        webhook: URL that gets the alarm as JSON by POST, or `$NAME` for an URL in the environment
            variable NAME. Where the URL itself is a secret, take the variable.
        email: Delivery by e-mail.
        command: Program and arguments; it gets the alarm as JSON on standard input, and must exit
            with 0.
        escalate_to: Where an alarm is sent that nobody acknowledged in time; by default it goes to
            the same receivers again.
        timeout_s: Longest wait for an answer of a receiver in seconds, in (0, 600]; then the
            delivery is tried again later. A command must end in this time.
    """

    escalate_to: Receivers | None = None
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
