"""TensorFlow Serving's flags that have no effect here: accepted with a log line, or refused."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)


class FlagError(Exception):
    """The command line is wrong; the message names the flag and the accepted values."""


@dataclass(frozen=True, kw_only=True)
class UnusedFlag:
    """A flag that the server accepts at the values that make no difference to it.

    Attributes:
        name: Name of the flag.
        default: TensorFlow Serving's default; 0 where Serving derives it from the number of CPUs.
        accepted: The accepted values in words.
        accepts: Returns whether a value is accepted.
        why: The reason, for the log, the refusal and the documentation.
        accepts_all: Whether every value is accepted.
    """

    name: str
    default: Any
    accepted: str
    accepts: Callable[[Any], bool]
    why: str
    accepts_all: bool = False

    def check(self, value: Any) -> None:
        """Logs that a value on the command line has no effect.

        Raises:
            FlagError: The value is not accepted.
        """
        shown = str(value).lower() if isinstance(value, bool) else value
        if not self.accepts(value):
            raise FlagError(
                f"--{self.name}={shown} is not supported: {self.why}. Accepted: {self.accepted}."
            )
        logger.info("--%s=%s has no effect: %s.", self.name, shown, self.why)


def _switch(name: str, why: str, *, default: bool = False) -> UnusedFlag:
    """Returns a boolean that is accepted either way."""
    return UnusedFlag(
        name=name,
        default=default,
        accepted="true, false",
        accepts=lambda _: True,
        why=why,
        accepts_all=True,
    )


def _off(name: str, why: str) -> UnusedFlag:
    """Returns a boolean that is accepted only if it is false."""
    return UnusedFlag(
        name=name, default=False, accepted="false", accepts=lambda value: not value, why=why
    )


def _empty(name: str, why: str) -> UnusedFlag:
    """Returns a string that is accepted only if it is empty."""
    return UnusedFlag(
        name=name, default="", accepted="the empty string", accepts=lambda value: not value, why=why
    )


def _at_least(low: int, name: str, why: str) -> UnusedFlag:
    """Returns an integer that is accepted from `low` on."""
    return UnusedFlag(
        name=name,
        default=0,
        accepted=f"{low} and more",
        accepts=lambda value: bool(value >= low),
        why=why,
    )


UNUSED_FLAGS = (
    _at_least(1, "rest_api_num_threads", "threads for REST calls are created on demand"),
    _at_least(0, "num_load_threads", "each model loads in its own thread"),
    _at_least(0, "num_unload_threads", "each version unloads in its own thread"),
    _switch("flush_filesystem_caches", "no file system cache is used", default=True),
    _switch(
        "remove_unused_fields_from_bundle_metagraph",
        "the server uses only the signatures of a MetaGraphDef",
        default=True,
    ),
    _switch("enable_profiler", "the profiler's gRPC service is not offered", default=True),
    _switch("skip_initialize_tpu", "no TPU is used"),
    _off("use_alts_credentials", "ALTS works on Google Cloud only; --ssl_config_file is TLS"),
    _switch("xla_cpu_compilation_enabled", "a model that asks for XLA is always compiled"),
    _off("xla_gpu_compilation_enabled", "models run on the CPU"),
    UnusedFlag(
        name="per_process_gpu_memory_fraction",
        default=0.0,
        accepted="0",
        accepts=lambda value: value == 0,
        why="models run on the CPU",
    ),
    _empty("platform_config_file", "every model is a TensorFlow SavedModel"),
    _empty(
        "thread_pool_factory_config_file",
        "the pool of a session is set by --tensorflow_inter_op_parallelism",
    ),
    _empty("mixed_precision", "a model runs in the precision of its export"),
)
