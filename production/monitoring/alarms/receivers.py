"""Sends one message to one receiver: by webhook, by e-mail, or to a command.

A failure says what was tried and why it failed, never a secret: of an URL only the host is named.
"""

import hashlib
import json
import os
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from common.errors import InputError
from pipeline.production_options.delivery import Email, Receivers, check_webhook, variable_of
from production.monitoring.alarms.messages import Message

IDEMPOTENCY_HEADER = "Idempotency-Key"
_MAX_WORDS = 300


class DeliveryError(Exception):
    """A message was not delivered; the text says why, without secrets."""


class Receiver(Protocol):
    """Somebody who gets alarms."""

    @property
    def id(self) -> str:
        """What tells it from other receivers: a short digest of its part of the config."""
        ...

    @property
    def name(self) -> str:
        """Its name for people, without secrets; two receivers on one host have the same."""
        ...

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message.

        Args:
            message: The message.
            timeout_s: Longest wait for a part of the answer; a server that sends its answer in
                many parts takes longer.

        Raises:
            DeliveryError: It was not delivered, as far as is known.
        """
        ...


def make_receivers(options: Receivers, environ: Mapping[str, str], folder: Path) -> list[Receiver]:
    """Returns the receivers that a config names.

    Args:
        options: The config's section.
        environ: Environment variables, which may hold the URL of the webhook.
        folder: The config's folder, where relative paths start and commands run.

    Raises:
        InputError: A variable or a file with a secret is missing.
    """
    receivers: list[Receiver] = []
    if options.webhook is not None:
        receivers.append(Webhook(_id("webhook", options.webhook), _url(options.webhook, environ)))
    if options.email is not None:
        password = _password_path(options.email, folder)
        email = options.email
        server = (email.host, email.port, email.starttls, email.sender, email.user)
        receivers += [
            Mailbox(_id("email", server, address), email, address, password) for address in email.to
        ]
    if options.command is not None:
        command = tuple(options.command)
        receivers.append(Program(_id("command", command), command, folder))
    return receivers


def _id(*config: object) -> str:
    # Of the name of a variable or a file, not of the secret in it; too short to guess one from.
    return hashlib.sha256(repr(config).encode()).hexdigest()[:8]


def _url(webhook: str, environ: Mapping[str, str]) -> str:
    variable = variable_of(webhook)
    if variable is None:
        return webhook
    try:
        return check_webhook(environ[variable].strip())
    except KeyError:
        problem = "is not set"
    except ValueError:
        problem = "holds no URL of HTTP"
    raise InputError(
        f"monitoring.deliver.webhook takes the URL from the environment variable {variable}, which "
        f"{problem}. Set it where the monitor starts, such as {variable}=https://alarms.example/x"
    )


def _password_path(options: Email, folder: Path) -> Path | None:
    if options.password_file is None:
        return None
    path = folder / options.password_file
    if not path.is_file():
        raise InputError(
            f"monitoring.deliver.email.password_file names {path}, which is no file. Write the "
            f"password of {options.user} on its first line, readable by the monitor's account only."
        )
    return path


@dataclass(frozen=True)
class Webhook:
    """An URL that gets JSON by POST; any answer of 2xx is a delivery."""

    id: str
    _url: str

    @property
    def name(self) -> str:
        """`webhook` and the host, since path and query may be secrets."""
        parts = urlsplit(self._url)
        port = f":{parts.port}" if parts.port else ""
        return f"webhook {parts.hostname}{port}"

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message; see `Receiver`."""
        import httpx  # takes a tenth of a second, and most calls send nothing

        headers = {IDEMPOTENCY_HEADER: message.key, "User-Agent": "faultline"}
        try:
            # The body of the answer is not read: it could be endless.
            with (
                httpx.Client(timeout=timeout_s) as client,
                client.stream("POST", self._url, json=message.to_json(), headers=headers) as answer,
            ):
                status = answer.status_code
        except httpx.TimeoutException:
            raise DeliveryError(f"no answer within {timeout_s:g} s") from None
        except httpx.ConnectError as error:
            raise DeliveryError(f"no connection: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise DeliveryError(type(error).__name__) from None  # its text may hold the URL
        if not 200 <= status < 300:
            raise DeliveryError(f"the answer was status {status}")


@dataclass(frozen=True)
class Mailbox:
    """An address that gets mails, so that one that is refused brings no mail twice to others."""

    id: str
    _options: Email
    _address: str
    _password: Path | None

    @property
    def name(self) -> str:
        """`email` and the address."""
        return f"email {self._address}"

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message; see `Receiver`."""
        options = self._options
        try:
            with smtplib.SMTP(options.host, options.port, timeout=timeout_s) as server:
                if options.starttls:
                    server.starttls(context=ssl.create_default_context())
                if options.user is not None and self._password is not None:
                    lines = self._password.read_text(encoding="utf-8").splitlines()
                    server.login(options.user, lines[0] if lines else "")
                server.send_message(self._mail(message), to_addrs=[self._address])
        except smtplib.SMTPAuthenticationError as error:
            # The server's words may repeat what was sent to it.
            raise DeliveryError(f"the login was refused with {error.smtp_code}") from None
        except UnicodeError:
            # Its text would quote a character of the password.
            raise DeliveryError(
                "the login or the mail has characters that cannot be sent"
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(_words(error)) from None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = self._options.sender
        mail["To"] = ", ".join(self._options.to)
        # The same for every try, so that mail programs show one mail.
        mail["Message-ID"] = f"<{message.key}@faultline>"
        mail.set_content(message.text)
        return mail


@dataclass(frozen=True)
class Program:
    """A command that gets JSON on standard input."""

    id: str
    _command: tuple[str, ...]
    _folder: Path

    @property
    def name(self) -> str:
        """`command` and the program; arguments may be secrets."""
        return f"command {self._command[0]}"

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message; see `Receiver`."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                start_new_session=True,  # it and its children end together
            )
        except OSError as error:
            raise DeliveryError(f"it cannot be started: {error.strerror or error}") from None
        try:
            process.communicate(json.dumps(message.to_json()).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise DeliveryError(f"it did not end within {timeout_s:g} s, and was killed") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            raise DeliveryError(f"it ended with exit code {process.returncode}")


def _words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, smtplib.SMTPResponseException):
        text = f"{error.smtp_code} {_decoded(error.smtp_error)}"
    return (text or type(error).__name__)[:_MAX_WORDS]


def _decoded(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
