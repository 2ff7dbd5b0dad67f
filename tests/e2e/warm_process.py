"""A process that imports the libraries once and runs each command in a fork of itself.

It forks before TensorFlow has a session, gRPC a channel or Python a second thread. The threads that
there are, of Arrow's allocator and of OpenBLAS, belong to libraries that handle forks. Modules of
the project are not imported: a command imports those of its own checkout.

Usage: `python warm_process.py FD`; the socket FD takes requests from `forking.py` until it closes.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Any

import numpy

MAX_REQUEST = 1 << 20
_LIBRARIES = (
    *("apache_beam", "tensorflow", "tensorflow_transform", "tfx.components"),
    *("tensorflow_model_analysis", "keras", "sklearn", "scipy.stats"),
)


def wait_for_command(requests: socket.socket) -> dict[str, Any]:
    """Forks for each request; returns it in the child. The parent never returns.

    It answers with the child's process ID, and with its exit status when it has ended.
    """
    while True:
        content, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST, 2)
        if not content:
            sys.exit()
        child = os.fork()
        if not child:
            requests.close()
            command: dict[str, Any] = json.loads(content)
            return command | {"streams": fds}
        for fd in fds:
            os.close(fd)
        requests.sendall(f"{child}\n".encode())
        requests.sendall(f"{os.waitpid(child, 0)[1]}\n".encode())


def become(command: dict[str, Any]) -> None:
    """Takes on a command's process group, streams, environment, folder and arguments."""
    os.setsid()
    for target, stream in enumerate(command["streams"], start=1):
        os.dup2(stream, target)
        os.close(stream)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["cwd"])
    sys.argv = command["arguments"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    # Or all forks would draw the same. Python seeds its own generator anew.
    numpy.random.seed()  # noqa: NPY002 - the generator that libraries share


if __name__ == "__main__":
    gc.disable()
    for library in _LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # or each fork would go through all modules when it ends
    gc.enable()
    command = wait_for_command(socket.socket(fileno=int(sys.argv[1])))
    become(command)
    # The interpreter ends as it does after any program.
    runpy.run_path(sys.argv[0], run_name="__main__")
