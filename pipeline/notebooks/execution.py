"""`faultline notebook`: executes a notebook by papermill and publishes it as a page."""

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError, StepFailedError
from common.output_folder import open_output, replace_file
from pipeline.config_loading import load_config

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
_PACKAGES = ("papermill", "scrapbook", "six", "ipykernel", "nbconvert")
_INSTALL = (
    ".venv/bin/uv pip install -c requirements.lock papermill scrapbook six ipykernel nbconvert"
)
_KERNEL = "faultline"
_OF_RUNS = "errors"  # the notebook that reads earlier runs
_TMP = Path("/tmp")  # noqa: S108 - for a private folder in it
# A Unix socket's path has at most 107 characters; the kernel's are this long in their folder.
_MAX_SOCKET_FOLDER = 107 - len("/kernel-00000000-0000-0000-0000-000000000000-ipc-5")


@dataclass(frozen=True, kw_only=True)
class Order:
    """A notebook to execute.

    Attributes:
        name: `explore` or `errors`.
        config_path: The use case's YAML.
        output: The output folder.
        parameters: Parameters of the notebook besides `config` and `output`.
    """

    name: str
    config_path: Path
    output: Path
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A notebook that was executed.

    Attributes:
        page: The page, in the folder of reports.
        notebook: The notebook with its outputs and recorded figures.
    """

    page: Path
    notebook: Path

    def to_json(self) -> dict[str, str]:
        """Returns the paths as JSON values."""
        return {"page": str(self.page), "notebook": str(self.notebook)}


def execute_notebook(order: Order) -> Executed:
    """Executes a notebook in a kernel of its own; nothing is written if a cell fails.

    Raises:
        InputError: A package is missing, the config cannot be read, or a cell raised an InputError.
        StepFailedError: A cell failed for another reason, or the kernel died.
    """
    check_installed()
    config = load_config(order.config_path)
    name, source = config.name, NOTEBOOKS / f"{order.name}.ipynb"
    if not source.is_file():
        raise InputError(f"{source} is not there. Take the folder notebooks/ of the checkout.")
    from pipeline.notebooks.page import publish_notebook
    from pipeline.notebooks.run_errors import check_runs

    if order.name == _OF_RUNS:
        check_runs(config, order.output)  # a mistyped folder is not made
    folder = open_output(order.output)
    parameters = {
        **order.parameters,
        "config": str(order.config_path.absolute()),
        "output": str(folder.root),
    }
    executed = Executed(
        page=folder.reports / f"notebook-{order.name}-{name}.html",
        notebook=folder.root / "notebooks" / f"{order.name}-{name}.ipynb",
    )
    with (
        tempfile.TemporaryDirectory(prefix="faultline-") as scratch,
        tempfile.TemporaryDirectory(prefix="faultline-", dir=_short_folder()) as sockets,
    ):
        draft = Path(scratch) / source.name
        with _environment(_kernel_environment(Path(scratch), sockets)):
            _execute(source, draft, parameters, has_sockets=len(sockets) <= _MAX_SOCKET_FOLDER)
            executed.notebook.parent.mkdir(exist_ok=True)
            publish_notebook(draft, executed.page, f"{name}: {order.name}")
        replace_file(executed.notebook, draft.read_bytes())
    return executed


def check_installed() -> None:
    """Checks that the packages of the extra `notebooks` are installed.

    Raises:
        InputError: Names those that are missing and how to install them.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"`faultline notebook` needs {', '.join(missing)}, which the extra `notebooks` "
            f"installs. In the checkout, run `make ecosystem-tools` or `{_INSTALL}`."
        )


def _short_folder() -> Path:
    """Returns the folder for temporary files, or /tmp where its path is too long for sockets."""
    folder = Path(tempfile.gettempdir())
    is_short = len(str(folder / "faultline-01234567")) <= _MAX_SOCKET_FOLDER
    return folder if is_short or not os.access(_TMP, os.W_OK) else _TMP


def _execute(
    source: Path, draft: Path, parameters: Mapping[str, Any], *, has_sockets: bool
) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    # Not TCP where it can be avoided: any account of the machine could connect to its ports.
    transport = {"KernelManager": {"transport": "ipc"}} if has_sockets else {}
    try:
        papermill.execute_notebook(
            source,
            draft,
            parameters,
            kernel_name=_KERNEL,
            cwd=source.parent,
            progress_bar=False,
            config=Config(transport),
        )
    except PapermillExecutionError as error:
        raise _failure(source, error) from error
    except DeadKernelError as error:
        raise StepFailedError(
            f"The kernel of {source.name} died. It may have run out of memory: give fewer rows."
        ) from error


def _failure(source: Path, error: Any) -> Exception:
    """Returns the error of a cell as one of ours."""
    if error.ename == InputError.__name__:
        return InputError(error.evalue)
    cell = error.source.strip().splitlines()[0] if error.source.strip() else ""
    return StepFailedError(f"{source.name} failed at `{cell}`: {error.ename}: {error.evalue}")


def _kernel_environment(scratch: Path, sockets: str) -> dict[str, str]:
    """Makes a kernel of this interpreter in a scratch folder; returns the environment variables.

    A kernel of that name in the home folder could belong to another interpreter, and Jupyter,
    IPython and Keras would write files there.
    """
    folder = scratch / "kernels" / _KERNEL
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    command += ["--IPKernelApp.log_level=50"]  # errors of cells come by the protocol
    spec = {"argv": command, "display_name": "Faultline", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    known = os.environ.get("PYTHONPATH")
    return {
        "JUPYTER_PATH": str(scratch),
        "JUPYTER_RUNTIME_DIR": sockets,
        "JUPYTER_NO_CONFIG": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "KERAS_HOME": str(scratch),
        "PLOTLY_RENDERER": "plotly_mimetype",
        "PYTHONPATH": os.pathsep.join([str(NOTEBOOKS.parent), *filter(None, [known])]),
    }


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
