"""Output of `faultline serve`: addresses, and lines to paste."""

import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from common.errors import StepFailedError
from common.logs import are_json, log_event
from serving.client import Client, ServingClientError, TensorSpec
from serving.inference.model_facts import MODEL_INFO, read_local_facts

_LONGEST_BODY = 500  # characters of a request that still fits into a line to paste


def say(console: Console, markup: str) -> None:
    """Prints a line, unbroken; logs it where logs are JSON lines."""
    if are_json():
        if text := Text.from_markup(markup).plain.strip():
            log_event(text)
        return
    console.print(markup, highlight=False, soft_wrap=True)


def print_examples(console: Console, name: str, server: str, curl: "Curl", base: Path) -> None:
    """Prints lines to paste.

    Args:
        console: Where to print.
        name: Name of the model.
        server: URL of a server that has the model.
        curl: Makes the lines.
        base: Folder of the model's versions, whose contracts name the columns with files.
    """
    if are_json():
        return
    try:
        with Client(server, model=name) as client:
            metadata = client.metadata()
    except ServingClientError as error:
        raise StepFailedError(f"The server at {server} failed. {error}") from error
    say(console, f"\n[dim]# {escape(name)}, version {metadata.version}[/dim]")
    say(console, escape(curl.status(name)))
    signature = metadata.signatures.get("serving_default")
    if signature is not None:
        line = example_line(curl, name, base / str(metadata.version), signature.inputs)
        say(console, escape(line))


def example_line(curl: "Curl", name: str, version: Path, inputs: Mapping[str, TensorSpec]) -> str:
    """Returns a line that asks a model; a comment if its `model_info.json` cannot be read.

    Args:
        curl: Makes the line.
        name: The model's name.
        version: Folder of the version.
        inputs: What its signature takes.
    """
    try:
        media = read_local_facts(version).media
    except (OSError, ValueError) as error:
        return f"# no example, since {version / MODEL_INFO} cannot be read: {error}"
    return curl.predict(name, sample_row(inputs), media)


@dataclass(frozen=True)
class Curl:
    """Makes lines to paste.

    Attributes:
        rest: URL that they ask.
        scratch: Folder for long bodies, which is there as long as the server is.
        options: Further options of curl.
    """

    rest: str
    scratch: Path
    options: str = ""

    def status(self, name: str) -> str:
        """Returns the line that asks for the versions of a model."""
        return f"curl {self.options}{self.rest}/v1/models/{name}"

    def predict(self, name: str, row: Mapping[str, Any], media: Collection[str] = ()) -> str:
        """Returns the line that sends a request; a long body is in a file.

        Args:
            name: Name of the model.
            row: The row to send.
            media: Its columns that hold sounds or pictures. The line reads them from `FILE`.
        """
        url = f"{self.rest}/v1/models/{name}:predict"
        files = {column: {"b64": ""} for column in row if column in media}
        body = json.dumps({"instances": [{**row, **files}]})
        if files:
            # Through a pipe: a file is too long for an argument of a command.
            form = body.replace("\\", "\\\\").replace("%", "%%")
            form = form.replace('{"b64": ""}', '{"b64": "%s"}')
            data = f'"$(cat {self._written(name, form)})"' if _is_long(form) else shlex.quote(form)
            contents = " ".join(['"$(base64 -w0 FILE)"'] * len(files))
            return f"printf {data} {contents} | curl {self.options}-d @- {url}"
        data = f"@{self._written(name, body)}" if _is_long(body) else shlex.quote(body)
        return f"curl {self.options}-d {data} {url}"

    def _written(self, name: str, body: str) -> str:
        path = self.scratch / f"{name}.json"
        path.write_text(body + "\n", encoding="utf-8")
        return shlex.quote(str(path))


def _is_long(body: str) -> bool:
    return len(body) > _LONGEST_BODY


def sample_row(inputs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    """Returns a row that a signature takes: zeros and empty texts."""
    row: dict[str, Any] = {}
    for name, spec in inputs.items():
        kind = "O" if spec.dtype is None else spec.dtype.kind
        value: Any = {"O": "", "f": 0.0, "b": False}.get(kind, 0)
        for size in reversed((spec.shape or ())[1:]):
            value = [value] * max(size, 1)
        row[name] = value
    return row
