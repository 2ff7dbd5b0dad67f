"""Translation of an engine name and Beam options to the arguments of every Beam step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config import Beam
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

# Default options per engine; later options take precedence.
_JOB_SERVER = (
    "--runner=PortableRunner",
    "--job_endpoint=localhost:8099",
    "--environment_type=LOOPBACK",
)
ENGINES: Mapping[str, tuple[str, ...]] = {
    "local": LOCAL_BEAM_ARGS,
    "flink": _JOB_SERVER,
    "spark": _JOB_SERVER,
    "dataflow": ("--runner=DataflowRunner",),
}
_LOCAL_RUNNERS = {"", "DirectRunner", "BundleBasedDirectRunner", "FnApiRunner"}
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1", "[::1]"}


@dataclass(frozen=True)
class EngineOptions:
    """The Beam options of a run.

    Attributes:
        args: `--name=value`, in order; for repeated names the last one applies.
    """

    args: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """The options by name; a flag without a value is "true"."""
        named: dict[str, str] = {}
        for arg in self.args:
            name, equals, value = arg.removeprefix("--").partition("=")
            named[name] = value if equals else "true"
        return named

    @property
    def runner(self) -> str:
        """The runner's class name, without its module."""
        return self.values.get("runner", "").rpartition(".")[2]

    @property
    def endpoint(self) -> str | None:
        """`HOST:PORT` of the service that takes jobs, or None if this process runs them."""
        values = self.values
        if self.runner == "PortableRunner" and values.get("job_endpoint") != "embed":
            return values.get("job_endpoint")
        address = {
            "FlinkRunner": values.get("flink_master", ""),
            "SparkRunner": values.get("spark_master_url", "").removeprefix("spark://"),
        }.get(self.runner, "")
        return None if not address or address.startswith(("[", "local")) else address

    @property
    def is_local(self) -> bool:
        """Whether Beam's own runner in this process does the work."""
        return self.runner in _LOCAL_RUNNERS

    @property
    def shares_files(self) -> bool:
        """Whether the workers have access to local files."""
        if self.is_local or self.values.get("job_endpoint") == "embed":
            return True
        if self.runner == "DataflowRunner":
            return False
        kind = self.values.get("environment_type", "DOCKER").upper()
        if kind == "LOOPBACK":
            return True
        host = (self.endpoint or "localhost").rpartition(":")[0] or "localhost"
        return kind in {"PROCESS", "EXTERNAL"} and host in LOOPBACK_HOSTS


def combine_options(engine: str | None, config: Beam, given: Sequence[str]) -> EngineOptions:
    """Returns the options of a run: the engine's, then the config's, then the command line's.

    Args:
        engine: `local`, `flink`, `spark` or `dataflow`; None for the config's.
        config: The use case's `beam` block.
        given: Beam options from the command line; with a `--runner` among them, no engine
            defaults are added.
    """
    given = join_values(given)
    names_runner = any(arg.startswith("--runner=") for arg in given)
    base = () if engine is None and names_runner else ENGINES[engine or config.engine]
    # The config's options belong to the config's engine.
    own = config.options if engine in {None, config.engine} and not names_runner else {}
    return EngineOptions((*base, *map(_argument, own.items()), *given))


def _argument(option: tuple[str, Any]) -> str:
    name, value = option
    if isinstance(value, bool):
        value = str(value).lower()
    return f"--{name}={json.dumps(value) if isinstance(value, dict | list) else value}"


def join_values(args: Sequence[str]) -> tuple[str, ...]:
    """Joins options given as `--name value` to `--name=value`."""
    joined: list[str] = []
    for arg in args:
        if not arg.startswith("--") and joined and "=" not in joined[-1]:
            joined[-1] += f"={arg}"
        else:
            joined.append(arg)
    return tuple(joined)
