"""`faultline serve`: the embedded server on what the pipeline has pushed."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.markup import escape

from commands.serve.printing import Curl, print_examples, say
from common.errors import InputError, StepFailedError
from common.guards.stopping import Stopped
from common.logs import LogFormat, are_json, set_up_logs
from common.output_folder import OutputFolder, captured_output, log_of_reader, replace_file
from common.processes import check_ports
from common.signing.verification import Verifier
from pipeline.components.pusher.signing import make_verifier
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import SHADOW_SUFFIX, Config
from pipeline.config_loading import load_config
from production.gateway.pins import model_entry
from production.rollout.journal import Journal

if TYPE_CHECKING:
    from serving.options import ServerOptions
    from serving.server import ModelServer, Stop

_REST_PORT = 8501
_POLL_S = 1  # how often the server and we look for what is new


def serve(config_path: Path | None, output: Path, flags: Sequence[str]) -> int:
    """Serves pushed models until a signal stops it.

    Args:
        config_path: The YAML of the one use case to serve; None for all that were pushed. Its
            `collection` says what is recorded; without it, nothing is.
        output: The output folder.
        flags: Flags of TensorFlow Serving, which win over ours.

    Returns:
        The exit code, 0: SIGTERM stopped the server.

    Raises:
        InputError: Nothing was pushed, a flag is wrong, or a port is taken.
        StepFailedError: A model does not load, or the server does not answer.
        Stopped: Ctrl-C or SIGHUP stopped the server.
    """
    folder = OutputFolder(output.absolute())
    config = load_config(config_path) if config_path else None
    use_case = config.name if config else None
    names = pushed_models(folder, use_case)
    _check_pushed(folder, names, use_case)
    from serving.server import Stop, stopped_by_signals

    with tempfile.TemporaryDirectory(prefix="faultline-serve-") as scratch:
        models_file = Path(scratch) / "models.config"
        replace_file(models_file, models_config(folder, names).encode())
        options = parse_flags(
            [
                f"--model_config_file={models_file}",
                f"--model_config_file_poll_wait_seconds={_POLL_S}",
                f"--rest_api_port={_REST_PORT}",
                *_recording_flags(folder, config, Path(scratch)),
                *signing_flags(config),
                *flags,
            ]
        )
        follow_log_flags(options)
        ports = {"gRPC": options.port, "REST": options.rest_api_port}
        check_ports(options.host, ports, command="faultline serve")
        stop = Stop()
        try:
            with (
                stopped_by_signals(stop, options.grace),
                _running(options, log_of_reader(folder.root / "serve.log"), stop) as server,
            ):
                print_addresses(server, folder, options.host, names, Path(scratch))
                _print_notes(options, folder, names)
                follows = options.model_config_file_poll_wait_seconds > 0
                if follows and options.model_config_file == str(models_file):
                    _follow_pushes(folder, use_case, names, models_file)
                stop.wait()
        except KeyboardInterrupt:
            if stop.exit_code:
                raise Stopped(stop.number) from None
    sys.stderr.write("Stopped by SIGTERM.\n")
    return 0


def pushed_models(folder: OutputFolder, use_case: str | None = None) -> list[str]:
    """Returns the names of the models that have a pushed version, shadow models included.

    Args:
        folder: The output folder.
        use_case: The one use case whose models are meant; None for all.
    """
    root = folder.serving("x").parent
    bases = sorted(root.iterdir()) if root.is_dir() else []
    names = [base.name for base in bases if base.is_dir() and served_versions(base)]
    wanted = names if use_case is None else [use_case, use_case + SHADOW_SUFFIX]
    return [name for name in names if name in wanted]


def differences_from_rollouts(folder: OutputFolder, names: Sequence[str]) -> list[str]:
    """Returns a warning for each model whose newest version is not the one of its rollouts.

    Args:
        folder: The output folder.
        names: Names of the served models.
    """
    warnings = []
    for name in names:
        newest = f"{name}/{served_versions(folder.serving(name))[-1]}"
        try:
            # Not by `open_journal`, whose module loads ML Metadata into the server.
            state = Journal(folder.rollouts(name)).state()
        except InputError as error:
            warnings.append(str(error))
            continue
        if state is not None and str(state.stable) != newest:
            warnings.append(
                f"{newest}, the newest version, is served; its rollouts chose "
                f"{state.stable}, which `faultline serve --gateway` serves."
            )
    return warnings


def models_config(folder: OutputFolder, names: Sequence[str]) -> str:
    """Returns TensorFlow Serving's config of models, in text format, latest version each."""
    entries = "".join(model_entry(name, folder.serving(name)) for name in names)
    return f"model_config_list {{\n{entries}}}\n"


def _recording_flags(folder: OutputFolder, config: Config | None, scratch: Path) -> list[str]:
    if config is None or config.collection is None:
        return []
    path = scratch / "recording.json"
    options = asdict(config.collection.recording(key_header=config.rollout.key_header))
    path.write_text(json.dumps(options), encoding="utf-8")
    return [
        f"--collect_dir={folder.collected(config.name).parent}",
        f"--collect_config={path}",
    ]


def signing_flags(config: Config | None) -> list[str]:
    """Returns the flags by which a server loads the versions that a config trusts.

    Raises:
        InputError: A public key of the config cannot be used.
    """
    verifier = make_verifier(config) if config is not None else None
    if verifier is None:
        return []
    paths = [str(path) for path in verifier.keys.values()]
    if any("," in path for path in paths):
        raise InputError(
            f"signing.public_keys: {', '.join(paths)} has a comma in a path, which separates paths "
            "in --model_public_key. Move the keys to a folder without commas."
        )
    return ["--require_signed_models", f"--model_public_key={','.join(paths)}"]


def _check_pushed(folder: OutputFolder, names: Sequence[str], use_case: str | None) -> None:
    if not names or (use_case is not None and use_case not in names):
        what = f"of `{use_case}` " if use_case else ""
        raise InputError(
            f"No model {what}was pushed below {folder.serving('x').parent}. Run `faultline run` "
            "first, or name the output folder with --output."
        )


def _follow_pushes(
    folder: OutputFolder, use_case: str | None, names: Sequence[str], models_file: Path
) -> NoReturn:
    """Adds models to the server's config file as their first version is pushed.

    The server reads the file again by itself, and looks for new versions of the models in it. A
    model whose folder is removed stays in the file: the server goes on with what it has loaded.
    """
    known = list(names)
    while True:
        time.sleep(_POLL_S)
        new = [name for name in pushed_models(folder, use_case) if name not in known]
        if new:
            known += new
            replace_file(models_file, models_config(folder, known).encode())
            say(Console(file=sys.stdout), f"[bold]Serving {escape(', '.join(new))} too[/bold]")


def parse_flags(flags: Sequence[str]) -> "ServerOptions":
    """Returns the server's options.

    Raises:
        InputError: A flag is wrong, or a key that it names cannot be used.
        SystemExit: The flags ask for help, which is printed.
    """
    from serving.flags import FlagError
    from serving.options import HelpRequested, parse_options

    try:
        options = parse_options(flags)
        if options.require_signed_models:
            Verifier([Path(path) for path in options.public_keys])
        return options
    except HelpRequested as asked:
        sys.stdout.write(str(asked))
        raise SystemExit(0) from None
    except FlagError as error:
        raise InputError(f"{error}\nAll flags: faultline serve -- --help") from error


def follow_log_flags(options: "ServerOptions") -> None:
    """Sets up the logs of this process as the server's flags say; `--log-format` comes first."""
    if not are_json() and (options.log_requests or options.log_format == LogFormat.JSON):
        set_up_logs(LogFormat(options.log_format))


@contextmanager
def _running(options: "ServerOptions", log: Path, stop: "Stop") -> Iterator["ModelServer"]:
    """Runs a server in the context."""
    server = _start(options, log)
    try:
        yield server
    finally:
        if not server.stop() and stop.number:
            # A request that hangs would keep the process from ending.
            sys.stdout.flush()
            os._exit(stop.exit_code)


def _start(options: "ServerOptions", log: Path) -> "ModelServer":
    """Loads the models, while TensorFlow greets into a log."""
    with (
        captured_output(log) as (out, _),
        os.fdopen(os.dup(out), "w") as text,
        Console(file=text).status("Loading"),
    ):
        from serving.errors import ServingError
        from serving.server import ModelServer, import_lightly, settle_process

        import_lightly()
        server = ModelServer(options)
        try:
            server.start()
            settle_process()
        except ServingError as error:
            raise StepFailedError(
                f"The server did not start: {error.code.name}: {error.message}\n"
                f"TensorFlow's log: {log}"
            ) from error
    return server


def print_addresses(
    server: "ModelServer", folder: OutputFolder, host: str, names: Sequence[str], scratch: Path
) -> None:
    """Prints where a server listens, and lines to paste.

    Args:
        server: The server, which is running.
        folder: The output folder with the served models.
        host: Its host as in its flags.
        names: Names of the served models.
        scratch: Folder for long bodies of requests.
    """
    console = Console(file=sys.stdout)
    rest = f"http://{host}:{server.rest_port}"
    words = f"gRPC on {host}:{server.grpc_port}"
    if server.rest_port:
        words += f", REST on {host}:{server.rest_port}"
    say(console, f"[bold]Serving {escape(', '.join(names))}[/bold]: {escape(words)}")
    say(console, "New versions are served as they are pushed. Ctrl-C stops.")
    if server.rest_port:
        for name in names:
            print_examples(console, name, rest, Curl(rest, scratch), folder.serving(name))


def _print_notes(options: "ServerOptions", folder: OutputFolder, names: Sequence[str]) -> None:
    for warning in differences_from_rollouts(folder, names):
        say(Console(file=sys.stderr), f"[yellow]{escape(warning)}[/yellow]")
    if options.collect_dir:
        where = escape(options.collect_dir)
        say(Console(file=sys.stdout), f"Requests are recorded in {where}.")
