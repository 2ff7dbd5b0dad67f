"""`faultline new`: makes the folder of a project with data, configs and schemas of its own."""

import shlex
import sysconfig
from pathlib import Path

import click

from common.errors import InputError

_FOLDERS = ("configs", "schema", "data")
# Data stay out of git; what DVC writes about them belongs in it.
_GITIGNORE = "/data/**\n!/data/**/\n!/data/**/*.dvc\n!/data/**/.gitignore\n/output/\n"
_MAKEFILE = """\
# The config to run; without CONFIG=... the first one in configs/.
CONFIG ?= $(firstword $(wildcard configs/*.yaml))
FAULTLINE := {command}

.PHONY: run serve

run: ## Run the use case from data to a pushed model
	@$(FAULTLINE) run --config "$(or $(CONFIG),$(error No config; faultline init writes one))"

serve: ## Serve the pushed models over gRPC and REST
	@$(FAULTLINE) serve
"""
_README = """\
# {name}

A Faultline project. `faultline init` writes a config and a schema for the data:

```sh
{command} init data/readings.csv --label failed
```

```sh
make run      # data to a pushed model; CONFIG=configs/NAME.yaml chooses the use case
make serve    # serve the pushed models over gRPC and REST
```

| folder | contents |
|---|---|
| `configs/` | one YAML per use case |
| `schema/` | one curated schema per use case |
| `data/` | the data; not under version control, except the `.dvc` files of DVC |
| `output/` | all run output; not under version control |

Each run records the commit of this repository and whether files differed from it.
`faultline lineage` shows both.
"""


def create_project(folder: Path) -> None:
    """Makes a project in a new or empty folder and prints the next two commands.

    Args:
        folder: Where the project is made; missing parents are made too.

    Raises:
        InputError: The folder has files, is a file, or cannot be written.
    """
    command = shlex.quote(str(Path(sysconfig.get_path("scripts")) / "faultline"))
    try:
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; name a new or an empty folder")
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
        for name, text in _texts(folder.resolve().name, command).items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; name a new or an empty folder") from error
    click.echo(f"Project in {folder}. Put the data into {folder / 'data'}, then:")
    click.echo(f"  cd {shlex.quote(str(folder))} && {command} init data/FILE --label COLUMN")
    click.echo("  make run")


def _texts(name: str, command: str) -> dict[str, str]:
    in_make = command.replace("$", "$$").replace("#", "\\#")
    return {
        ".gitignore": _GITIGNORE,
        "Makefile": _MAKEFILE.format(command=in_make),
        "README.md": _README.format(name=name, command=command),
    }
