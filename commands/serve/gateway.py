"""`faultline serve --gateway`: two servers behind Envoy, and the rollouts of their model."""

import shlex
import sys
import tempfile
from collections.abc import Container, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from commands.queries import open_runs
from commands.serve.alone import follow_log_flags, parse_flags, signing_flags
from commands.serve.printing import Curl, print_examples, say
from common.errors import InputError
from common.guards.stopping import Stopped
from common.logs import are_json
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.production_options.collection import Collection
from pipeline.production_options.gateway import GatewayOptions
from pipeline.production_options.rollout import RolloutOptions
from production.controller import Controller, Setup, make_setup
from production.gateway.gateway import Gateway, GatewaySpec
from production.gateway.traffic import Pin, Traffic
from production.rollout.actions import begin
from production.rollout.candidates import recorded_config, resolve_model
from production.rollout.gateway_config import keep_gateway_config
from production.rollout.markers import controlling
from production.rollout.state import State
from production.rollout.strategies import traffic_of
from serving.options import ServerOptions

if TYPE_CHECKING:
    from serving.server import Stop

_REFUSED = {
    "model_name": "the gateway serves one model under its own name",
    "model_base_path": "the gateway pins each server to a version",
    "model_config_file": "the gateway pins each server to a version",
    "model_config_file_poll_wait_seconds": "the gateway pins each server to a version",
    "grpc_socket_path": "clients reach the servers by the gateway alone",
    "ssl_config_file": "set `gateway.tls` in the config",
    "collect_dir": "set `collection` in the config",
    "collect_arm": "each server has its own",
    "collect_config": "set `collection` in the config",
}


def serve_gateway(config_path: Path | None, output: Path, flags: Sequence[str]) -> int:
    """Serves one model behind the gateway, and carries out its rollouts, until a signal stops it.

    Args:
        config_path: The YAML of the use case; None for the only pushed model and the defaults.
        output: The output folder.
        flags: Flags of TensorFlow Serving for both servers; host and ports are the gateway's.

    Returns:
        The exit code, 0: SIGTERM stopped the gateway.

    Raises:
        InputError: Nothing was pushed, several models were and none is named, a flag is wrong, a
            port is taken, or another gateway serves the model.
        StepFailedError: The stable version does not load, or Envoy does not start.
        Stopped: Ctrl-C or SIGHUP stopped the gateway.
    """
    from serving.server import Stop, stopped_by_signals

    folder = OutputFolder(output.absolute())
    config = _config(folder, config_path)
    model = resolve_model(folder, config.name if config else None)
    spec = _gateway_spec(folder, model, config, flags)
    setup = make_setup(
        folder,
        config,
        open_store=lambda: open_runs(config_path, folder.root),
        say=lambda line: say(Console(file=sys.stdout), escape(line)),
    )
    stop = Stop()
    try:
        with stopped_by_signals(stop, spec.grace_s):
            _run(spec, setup, config, stop)
    except KeyboardInterrupt:
        if stop.exit_code:
            raise Stopped(stop.number) from None
    sys.stderr.write("Stopped by SIGTERM.\n")
    return 0


def _run(spec: GatewaySpec, setup: Setup, config: Config | None, stop: "Stop") -> None:
    """Runs a gateway and the controller of its traffic until a signal comes."""
    folder, model = spec.folder, spec.model
    traffic = _first_traffic(folder, begin(folder, model))
    with tempfile.TemporaryDirectory(prefix="faultline-serve-") as scratch, ExitStack() as stack:
        with Console(file=sys.stdout).status("Loading"):
            gateway = stack.enter_context(Gateway(spec, traffic))
        keep_gateway_config(folder, model, config)
        # From here on, commands wait until the gateway has applied what they decide.
        stack.enter_context(controlling(folder.rollouts(model)))
        _print_gateway(gateway, spec, traffic, Path(scratch))
        controller = Controller(folder, model, gateway, setup)
        controller.run(lambda: bool(stop.number))


def _config(folder: OutputFolder, config_path: Path | None) -> Config | None:
    """Returns the config of the use case; None if no run recorded one either.

    Raises:
        InputError: The recorded config names files, whose folder is not recorded.
    """
    if config_path is not None:
        return load_config(config_path)
    if not (folder.root / "metadata.db").exists():
        return None
    name = resolve_model(folder, None)
    version = served_versions(folder.serving(name))[-1]
    config = recorded_config(open_runs(None, folder.root), Pin(base=name, version=version))
    if config is not None and (
        config.gateway.tls or config.gateway.clients or _trusts_keys(config)
    ):
        raise InputError(
            f"The config of {name} names a certificate, a file of clients or public keys for the "
            "gateway. Say where it is: faultline serve --gateway --config configs/NAME.yaml"
        )
    return config


def _trusts_keys(config: Config) -> bool:
    return config.signing is not None and bool(config.signing.public_keys)


def _gateway_spec(
    folder: OutputFolder, model: str, config: Config | None, flags: Sequence[str]
) -> GatewaySpec:
    given = {flag.lstrip("-").partition("=")[0] for flag in flags if flag.startswith("-")}
    for name, why in _REFUSED.items():
        if name in given:
            raise InputError(f"--{name} cannot be used with --gateway: {why}.")
    flags = (*signing_flags(config), *flags)
    server = parse_flags([f"--model_name={model}", *flags])
    follow_log_flags(server)
    rollout = config.rollout if config else RolloutOptions()
    collection = (config.collection if config else None) or Collection()
    return GatewaySpec(
        model=model,
        folder=folder,
        options=_gateway_options(config, server, given),
        key_header=rollout.key_header,
        server_flags=(*flags, *(["--log_format=json"] if are_json() else [])),
        recording=asdict(collection.recording(key_header=rollout.key_header)),
        grace_s=server.grace,
    )


def _gateway_options(
    config: Config | None, server: ServerOptions, given: Container[str]
) -> GatewayOptions:
    """Returns the config's options, with host and ports from the flags that are given."""
    options = config.gateway.located(config.folder) if config else GatewayOptions()
    if "rest_api_port" in given and server.rest_api_port == 0:
        raise InputError("--rest_api_port=0 cannot be used with --gateway, which serves REST too.")
    rest_port = max(server.rest_api_port, 0)  # -1 picks a free one, as 0 does for the gateway
    try:
        return replace(
            options,
            host=server.host if "host" in given else options.host,
            grpc_port=server.port if "port" in given else options.grpc_port,
            rest_port=rest_port if "rest_api_port" in given else options.rest_port,
        )
    except ValidationError as error:
        words = "; ".join(problem["msg"] for problem in error.errors())
        raise InputError(f"--host, --port or --rest_api_port: {words}") from error


def _first_traffic(folder: OutputFolder, state: State) -> Traffic:
    """Returns the traffic to start with; the controller decides about a candidate that is gone."""
    traffic = traffic_of(state)
    candidate = traffic.candidate
    if candidate is not None and candidate.version not in served_versions(
        folder.serving(candidate.base)
    ):
        return Traffic(stable=traffic.stable, salt=traffic.salt)
    return traffic


def _print_gateway(gateway: Gateway, spec: GatewaySpec, traffic: Traffic, scratch: Path) -> None:
    console, options, ports = Console(file=sys.stdout), spec.options, gateway.ports
    host = f"[{options.host}]" if ":" in options.host else options.host
    addresses = f"gRPC on {host}:{ports.grpc}, REST on {host}:{ports.rest}"
    say(console, f"[bold]Serving {escape(spec.model)}[/bold]: {escape(addresses)}")
    say(console, escape(traffic_words(traffic)))
    say(console, "New versions take over by `faultline rollout`. Ctrl-C stops.")
    say(console, escape(f"Logs: {spec.path}"))
    flags = ""
    if options.clients is not None:
        flags += '-H "authorization: Bearer $TOKEN" '
    if options.tls is not None:
        flags += f"--cacert {shlex.quote(options.tls.certificate)} "
    url = f"{'https' if options.tls else 'http'}://{host}:{ports.rest}"
    server = f"http://127.0.0.1:{ports.stable.rest}"
    base = spec.folder.serving(spec.model)
    print_examples(console, spec.model, server, Curl(url, scratch, flags), base)


def traffic_words(traffic: Traffic) -> str:
    """Returns which version answers which share of the requests."""
    if traffic.candidate is None:
        return f"{traffic.stable} answers all requests."
    return (
        f"Rollout {traffic.salt}: {traffic.candidate} answers {traffic.candidate_percent} % of the "
        f"keys, {traffic.stable} answers the others. Copies to the other model: "
        f"{traffic.mirrored_percent} % of the requests."
    )
