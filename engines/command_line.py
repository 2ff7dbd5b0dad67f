"""Shared command line of the engines: start, print the address, wait for Ctrl-C, stop."""

import signal
from contextlib import AbstractContextManager
from types import FrameType

import click

from common.errors import InputError
from common.processes import EngineFailedError


def hold(name: str, server: AbstractContextManager[str]) -> int:
    """Keeps a job server up until Ctrl-C or SIGTERM; returns the exit code.

    Args:
        name: The engine's name.
        server: The server, not yet started.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    click.echo(f"Starting {name}; the first time Maven fetches its jars.", err=True)
    try:
        with server as endpoint:
            click.echo(endpoint)
            click.echo(f"{name} is ready: --job_endpoint={endpoint}. Ctrl-C stops it.", err=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
    except InputError as error:
        click.echo(str(error), err=True)
        return 2
    except EngineFailedError as error:
        click.echo(f"{name} did not start. {error}", err=True)
        return 1


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
