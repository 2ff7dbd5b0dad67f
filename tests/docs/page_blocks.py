"""The blocks of code on the pages, and where each program and each command of a shell is executed.

`EXECUTED` are executed by `tests/ecosystem/test_page_commands.py` from a prepared folder, and
`ELSEWHERE` by the tests that are named. `NOT_EXECUTED` says why the others are only parsed, which
`test_blocks.py` does with all of them. A block is known by its page and the beginning of its text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

# To the state that the folder must be in: `files`, links to the checkout; `run`, a finished run of
# the use case `wells` besides.
EXECUTED = {
    ("docs/gateway.md", "token=$(openssl"): "files",
    ("docs/kubeflow.md", "python kubeflow_runner.py"): "files",
    ("docs/package.md", "python -m common.software.lock_file"): "files",
    ("docs/reports.md", "faultline clean --keep"): "run",
    ("docs/serverless.md", "from serving.function import"): "run",
    ("docs/signed_models.md", "faultline sbom"): "files",
    ("docs/signed_models.md", "python -m common.software.lock_file"): "files",
    ("docs/versioned_data.md", "faultline lineage wells"): "run",
}
# To the test that executes what the page shows.
ELSEWHERE = {
    ("README.md", ""): "tests/e2e/test_readme.py",
    ("docs/tutorial.md", ""): "tests/ecosystem/test_package.py",
    ("docs/ci.md", "touch gate.started"): "tests/ecosystem/test_ci_files.py",
    ("docs/ci.md", "make ecosystem-tools"): "tests/ecosystem/test_pre_commit.py",
    ("docs/databases.md", ""): "tests/ecosystem/test_database_run.py",
    ("docs/kubeflow.md", "faultline step"): "tests/ecosystem/test_kubeflow.py",
    ("docs/notebooks.md", ""): "tests/ecosystem/test_notebooks.py",
    ("docs/package.md", "python3 -m pip wheel"): "tests/ecosystem/test_package.py",
    ("docs/package.md", "from faultline_client"): "tests/ecosystem/test_client_package.py",
    ("docs/recordings.md", ""): "tests/ecosystem/test_recording_pages.py",
    ("docs/serverless.md", "MODEL_BASE_PATH"): "tests/ecosystem/test_serverless.py",
    ("docs/streams.md", ""): "tests/ecosystem/test_recording_pages.py",
    ("docs/tracking.md", "import mlflow"): "tests/pipeline/tracking/test_mlflow_registry.py",
    ("docs/versioned_data.md", "faultline run"): "tests/ecosystem/test_versioned_data.py",
}
_DATA = "its data are not in the checkout"
_PRODUCTION = "it needs a server that has been asked, for its alarms, labels or records"
_CLUSTER = "it needs a cluster, a container engine or a monitoring server"
_LONG = "it takes minutes; the runs are those of other tests"
_NETWORK = "it needs a package index"
NOT_EXECUTED = {
    ("docs/alarms.md", ""): _PRODUCTION,
    ("docs/automation.md", ""): _PRODUCTION,
    ("docs/datasets.md", ""): _LONG,
    ("docs/gate.md", "faultline approve"): "RUN, WHO and REASON are for the reader to fill in",
    ("docs/gateway.md", "Client("): "one expression; the client is there already",
    ("docs/kubeflow.md", "kubectl"): _CLUSTER,
    ("docs/kubeflow.md", "import kfp"): _CLUSTER,
    ("docs/mixed_tables.md", ""): _DATA,
    ("docs/model_card.md", ""): _LONG,
    ("docs/monitoring.md", ""): _PRODUCTION,
    ("docs/operations.md", ""): _CLUSTER,
    ("docs/package.md", "python3 -m venv wells"): _NETWORK,
    ("docs/package.md", "pip"): _NETWORK,
    ("docs/pictures.md", ""): _DATA,
    ("docs/retraining.md", ""): _PRODUCTION,
    ("docs/rollout.md", ""): _PRODUCTION,
    ("docs/serverless.md", "docker"): _CLUSTER,
    ("docs/serverless.md", "faultline package"): _CLUSTER,
    ("docs/serverless.md", "kubectl"): _CLUSTER,
    ("docs/signed_models.md", "mkdir -p keys"): "openssl asks for a passphrase",
    ("docs/signed_models.md", "model_signing"): "the version is that of another machine",
    ("docs/simulator.md", ""): _LONG,
    ("docs/sounds.md", ""): _DATA,
}


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Yields page and text of each block in one of some languages."""
    for page in PAGES:
        for language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if language in languages:
                yield page.relative_to(PROJECT).as_posix(), text


def entries(page: str, text: str) -> list[tuple[str, str]]:
    """Returns the entries of the tables that mean a block; the longest beginning counts."""
    known = (*EXECUTED, *ELSEWHERE, *NOT_EXECUTED)
    fitting = [entry for entry in known if entry[0] == page and text.startswith(entry[1])]
    longest = max((len(start) for _, start in fitting), default=0)
    return [entry for entry in fitting if len(entry[1]) == longest]
