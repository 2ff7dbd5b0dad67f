"""Measures a server's start: `python3 scripts/first_answer.py PORT MODEL COMMAND...`.

The command starts a server with REST on PORT. The time runs from the start of the process to the
first answer to a predict call with zeros and empty texts. Then SIGTERM ends the server.
It needs only the standard library.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

_TIMEOUT_S = 120
_POLL_S = 0.005


def empty_instance(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an instance of zeros and empty texts.

    Args:
        inputs: The inputs of a signature, as in the metadata of a model.
    """
    return {name: _empty(info) for name, info in inputs.items()}


def _empty(info: Mapping[str, Any]) -> Any:
    sizes = [int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])]
    value: Any = "" if info["dtype"] == "DT_STRING" else 0
    for size in reversed(sizes[1:]):  # the first dimension is the batch
        value = [value] * max(size, 1)
    return value


def measure(port: int, model: str, command: Sequence[str]) -> dict[str, Any]:
    """Starts a server, asks it as soon as it listens, and stops it.

    Returns:
        The seconds to the first answer and to the end after SIGTERM, and the exit code.

    Raises:
        RuntimeError: The server ended, or did not answer, or answered with an error.
    """
    started_s = time.monotonic()
    # A group of its own: SIGTERM also reaches a server that an engine started.
    server = subprocess.Popen(command, start_new_session=True)
    try:
        answer = _first_answer(server, port, model)
        first_s = time.monotonic() - started_s
        stopped_s = time.monotonic()
        os.killpg(server.pid, signal.SIGTERM)
        code = server.wait(_TIMEOUT_S)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    return {
        "first_answer_s": round(first_s, 2),
        "stop_s": round(time.monotonic() - stopped_s, 2),
        "exit_code": code,
        "answer": answer,
    }


def _first_answer(server: "subprocess.Popen[bytes]", port: int, model: str) -> Any:
    end_s = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < end_s:
        try:
            metadata = _call(port, "GET", f"/v1/models/{model}/metadata")
        except OSError:
            if server.poll() is not None:
                raise RuntimeError(f"The server ended with exit code {server.returncode}") from None
            time.sleep(_POLL_S)
            continue
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        instance = empty_instance(signatures["serving_default"]["inputs"])
        body = json.dumps({"instances": [instance]})
        return _call(port, "POST", f"/v1/models/{model}:predict", body)
    raise RuntimeError(f"The server did not answer within {_TIMEOUT_S} s")


def _call(port: int, method: str, path: str, body: str | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{method} {path}: {response.status} {text}")
    return json.loads(text)


def main(arguments: Sequence[str]) -> int:
    """Prints the measurement as JSON; returns the exit code."""
    port, model, *command = arguments
    sys.stdout.write(json.dumps(measure(int(port), model, command)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
