"""Private names of Apache Beam; Beam is imported when a function first needs it."""

from argparse import ArgumentParser
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

VERSION = "2.77"
NAMES = (
    "apache_beam.internal.gcp.auth:_Credentials._credentials_init",
    "apache_beam.options.pipeline_options:StandardOptions._add_argparse_args",
    "apache_beam.runners.portability.portable_runner:PipelineResult()._metrics",
    "apache_beam.transforms.userstate:get_dofn_specs",
)

_Specs: TypeAlias = tuple[set[Any], set[Any]]


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


def remember_specs() -> None:
    """Makes Beam inspect the methods of each DoFn once, for its states and timers.

    Beam inspects them anew whenever it asks whether a DoFn has states: a thousand times in a small
    Transform, which is 15 % of its time.
    """
    from apache_beam.transforms import userstate

    inspect: Callable[[Any], _Specs] = userstate.get_dofn_specs
    if hasattr(inspect, "specs"):
        return
    specs: WeakKeyDictionary[Any, _Specs] = WeakKeyDictionary()

    def get_dofn_specs(dofn: Any) -> _Specs:
        if not isinstance(dofn, Hashable):
            return inspect(dofn)
        if dofn not in specs:
            specs[dofn] = inspect(dofn)
        return specs[dofn]

    get_dofn_specs.specs = specs  # type: ignore[attr-defined]
    userstate.get_dofn_specs = get_dofn_specs
