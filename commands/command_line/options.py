"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

PROJECT_DIR = Path(__file__).resolve().parents[2]


DEFAULT_CONFIG = PROJECT_DIR / "configs" / "signals.yaml"


Command = TypeVar("Command", bound=Callable[..., Any])


output_option = click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("output"),
    show_default=True,
    help="Folder for all run output.",
)


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document to standard output and readable text to standard error.",
)


server_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML that names a metadata server. Not needed for the default SQLite file.",
)


use_case_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML file of the use case.  [default: that of the only served use case]",
)


why_option = click.option("--why", required=True, help="Reason, kept in ML Metadata.")


by_option = click.option("--by", help="Name of the person who decides.  [default: the login name]")


def deciding_options(command: Command) -> Command:
    """Adds the options of commands by which a person decides on versions in service."""
    return why_option(by_option(server_option(output_option(json_option(command)))))


def use_case_options(command: Command) -> Command:
    """Adds the options of commands on a use case in service."""
    return use_case_option(output_option(json_option(command)))


def model_options(command: Command) -> Command:
    """Adds the options of commands on a model in service."""
    model = click.option("--model", help="Name of the model.  [default: the config's name]")
    return use_case_option(model(output_option(json_option(command))))


def config_option(command: Command) -> Command:
    """Adds the `--config` option of commands that need a use case."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        show_default="configs/signals.yaml",
        help="YAML file of the use case.",
    )(command)
