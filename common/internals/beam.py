"""Private names of Apache Beam; Beam is imported when a function first needs it."""

from argparse import ArgumentParser
from typing import Any

VERSION = "2.77"
NAMES = (
    "apache_beam.internal.gcp.auth:_Credentials._credentials_init",
    "apache_beam.options.pipeline_options:StandardOptions._add_argparse_args",
    "apache_beam.runners.portability.portable_runner:PipelineResult()._metrics",
)


def look_for_no_credentials() -> None:
    """Keeps Beam from looking for Google's credentials in this process.

    `--no_auth` alone does not: Beam then still looks for half a minute.
    """
    from apache_beam.internal.gcp import auth

    auth._Credentials._credentials_init = True


def add_arguments(options: Any, parser: ArgumentParser) -> None:
    """Adds the arguments that a subclass of `PipelineOptions` declares itself."""
    if "_add_argparse_args" in vars(options):
        options._add_argparse_args(parser)


def forget_metrics(result: Any) -> None:
    """Makes the portable runner ask its engine for metrics again, not repeat the first answer."""
    result._metrics = None
