"""The container commands of a Kubeflow specification, run as processes on a real MariaDB."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.common.metadata_servers import MetadataServer, find_program, mariadb_server
from tests.e2e.harness import PROJECT, copy_project, wells_csv, write_wells
from tests.ecosystem.containers import Cluster, ContainerTask, container_tasks

pytestmark = [pytest.mark.ecosystem, pytest.mark.timeout(1_200)]

VARIABLE = "FAULTLINE_METADATA_PASSWORD"
RUN = "7d3c1b1e-0f6a-4a53-9d0e-2f4f3f0c6a11"
REFUSED_RUN = "c2f0a1d4-51b7-4c1e-8f0e-6a7b1d9e4f33"
NEXT_RUN = "9a1f6f5e-66a2-4a6e-8a5a-0f1f8a1f7b22"
# The only files of a model that differ between two runs of the same data, config and code: the
# order of the graph's functions is TensorFlow's.
_GRAPH_FILES = {"saved_model.pb", "fingerprint.pb"}


@dataclass(frozen=True, kw_only=True)
class World:
    """What a cluster would have: an image, a volume, a secret; and a specification.

    Attributes:
        image: A copy of the project, as in the image.
        volume: The folder of the volume, with config and data.
        server: The metadata server.
        cluster: Starts the containers.
        spec: The specification as Kubeflow's SDK reads it.
        text: The specification as it was written.
    """

    image: Path
    volume: Path
    server: MetadataServer
    cluster: Cluster
    spec: dict[str, object]
    text: str

    @property
    def output(self) -> Path:
        return self.volume / "output"

    def tasks(self, run: str) -> tuple[list[ContainerTask], ContainerTask]:
        return container_tasks(self.spec, run=run, parameters={"seed": 3})


@pytest.fixture(scope="module")
def server() -> Iterator[MetadataServer]:
    if find_program("mariadbd") is None:
        pytest.skip("mariadbd is not installed: apt-get install mariadb-server")
    with (
        tempfile.TemporaryDirectory(prefix="faultline-server-") as folder,
        mariadb_server(Path(folder)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def world(server, tmp_path_factory) -> World:
    if sys.version_info >= (3, 12):
        pytest.skip("Kubeflow's SDK that fits TFX needs Python 3.11")
    kfp = pytest.importorskip("kfp", reason="make ecosystem-tools installs kfp")
    pytest.importorskip("kfp.kubernetes", reason="make ecosystem-tools installs kfp-kubernetes")
    folder = tmp_path_factory.mktemp("kubeflow")
    image = copy_project(folder / "image")
    (image / "kubeflow_runner.py").write_bytes((PROJECT / "kubeflow_runner.py").read_bytes())
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "faultline"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {image}/faultline.py "$@"\n')
    program.chmod(0o755)
    volume = folder / "volume"
    config = write_wells(volume / "wells", wells_csv(800))
    path = folder / "pipeline.yaml"
    options = {
        "--config": config,
        "--config-in-image": config,
        "--image": "registry.example/faultline:1",
        "--metadata-url": server.url(),
        "--secret": f"{VARIABLE}=metadata:password",
        "--volume": f"faultline={volume}",
        "--artifacts": volume / "output",
        "-o": path,
    }
    words = [str(word) for pair in options.items() for word in pair]
    subprocess.run([sys.executable, image / "kubeflow_runner.py", *words], check=True, cwd=folder)
    component = kfp.components.load_component_from_file(str(path))
    return World(
        image=image,
        volume=volume,
        server=server,
        cluster=Cluster(
            programs=programs, scratch=folder / "scratch", secrets={VARIABLE: server.password}
        ),
        spec=_plain(component.pipeline_spec),
        text=path.read_text(),
    )


def _plain(message) -> dict[str, object]:
    from google.protobuf import json_format

    return json_format.MessageToDict(message)


def _kill_when(condition, killed: list[int]):
    def watch(pid: int) -> None:
        while not condition():
            time.sleep(0.05)
        killed.append(pid)
        os.killpg(pid, signal.SIGKILL)

    return watch


def _model_files(versions: Path) -> dict[str, str]:
    [version] = [path for path in versions.iterdir() if path.name.isdigit()]
    return {
        str(path.relative_to(version)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in version.rglob("*")
        if path.is_file() and path.name not in _GRAPH_FILES
    }


@pytest.fixture(scope="module")
def finished(world) -> World:
    """The run: its Trainer is killed with SIGKILL once, and the cluster starts it again."""
    tasks, end = world.tasks(RUN)
    trainer = next(task for task in tasks if task.name == "trainer")
    before = {"begin", "transform", *trainer.after}
    done: set[str] = set()
    early = [task for task in tasks if task.name != "trainer"]
    assert world.cluster.run_all(early, done) == {}
    assert before <= done
    assert "evaluator" not in done

    # Its output folder is made when its executor starts.
    killed: list[int] = []
    folder = world.output / "artifacts" / "wells" / "Trainer" / "model"
    ended = world.cluster.run(trainer, _kill_when(folder.is_dir, killed))
    assert (ended.code, len(killed)) == (-signal.SIGKILL, 1)

    evaluator = next(task for task in tasks if task.name == "evaluator")
    refused = world.cluster.run(evaluator)
    assert refused.code == 2
    assert "needs the results of" in refused.err
    assert "Trainer" in refused.err

    failed = world.cluster.run_all(tasks, done)
    assert failed == {}
    assert world.cluster.run(end).code == 0
    return world


def test_the_specification_has_a_task_for_each_step_and_its_order(world):
    tasks, end = world.tasks(RUN)
    by_name = {task.name: task for task in tasks}
    assert end.command[:3] == ("faultline", "step", "end")
    assert by_name["begin"].after == frozenset()
    assert by_name["arrow-example-gen"].after == {"begin"}
    # The gates hold up what must not go on without them.
    assert "anomaly-gate" in by_name["transform"].after
    assert {"model-gate", "infra-validator"} <= by_name["pusher"].after
    assert by_name["trainer"].command == (
        *("faultline", "step", "Trainer", "--output", str(world.output), "--run", RUN),
    )


def test_the_password_is_in_no_specification_and_no_file_of_the_run(finished):
    secret = finished.server.password
    assert secret not in finished.text
    files = [path for path in finished.volume.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    streams = [one.out + one.err for ended in finished.cluster.ended.values() for one in ended]
    assert not [text for text in streams if secret in text]


def test_the_model_is_blessed_pushed_and_that_of_a_local_run(finished, tmp_path):
    summary = json.loads((finished.output / "runs" / RUN / "summary.json").read_text())
    assert (summary["state"], summary["verdict"]) == ("complete", "BLESSED")
    assert {step["state"] for step in summary["steps"]} == {"ran"}

    config = tmp_path / "wells.yaml"
    config.write_text((finished.volume / "wells" / "wells.yaml").read_text() + "seed: 3\n")
    (tmp_path / "wells.csv").write_bytes((finished.volume / "wells" / "wells.csv").read_bytes())
    # In the same environment: OpenBLAS has variables that change the last digit of a calibration.
    output = tmp_path / "output"
    words = ("faultline", "run", "--config", str(config), "--output", str(output), "--json")
    done = finished.cluster.run(ContainerTask(name="local", command=words, after=frozenset()))
    assert done.code == 0, done.err
    assert _model_files(finished.output / "serving" / "wells") == _model_files(
        output / "serving" / "wells"
    )
    same = json.loads(done.out)
    assert [step["name"] for step in summary["steps"]] == [step["name"] for step in same["steps"]]
    for key in ("verdict", "metrics", "intervals", "reasons", "hints"):
        assert summary[key] == same[key]
    pages = [Path(page).name for page in summary["pages"]]
    assert pages == [Path(page).name for page in same["pages"]]


def test_the_killed_step_left_no_second_execution_and_lineage_is_whole(finished):
    from ml_metadata.proto.metadata_store_pb2 import Execution

    from common.metadata import connection_config, open_store
    from common.metadata_options import Metadata
    from pipeline.lineage import lineage_of
    from pipeline.lineage.graph import read_graph

    options = Metadata(url=finished.server.url())
    store = open_store(
        connection_config(options, finished.output, {VARIABLE: finished.server.password})
    )
    run = read_graph(store).runs[RUN]
    trainers = [step for step in run.steps if step.node == "Trainer"]
    assert [step.state for step in trainers] == ["complete"]
    states = {execution.last_known_state for execution in store.get_executions()}
    assert states <= {Execution.COMPLETE, Execution.CACHED}
    [version] = list((finished.output / "serving" / "wells").iterdir())
    node = lineage_of(store, f"wells/{version.name}")
    assert [child.kind for child in node.children][:2] == ["verdict", "model"]


def test_the_next_run_takes_unchanged_steps_from_the_cache_and_an_old_run_goes_no_further(finished):
    tasks, _ = finished.tasks(NEXT_RUN)
    names = ("begin", "arrow-example-gen", "statistics-gen")
    done: set[str] = set()
    assert finished.cluster.run_all([task for task in tasks if task.name in names], done) == {}
    for name in names[1:]:
        assert "cached" in finished.cluster.ended[name][-1].out
    # A step that has ended may be repeated; the run as a whole was overtaken.
    old, end = finished.tasks(RUN)
    repeated = next(task for task in old if task.name == "statistics-gen")
    again = finished.cluster.run(repeated)
    assert again.code == 0
    assert "has ended before" in again.out
    refused = finished.cluster.run(end)
    assert refused.code == 2
    assert f"Run {NEXT_RUN} began" in refused.err


def test_data_that_the_gate_refuses_stop_the_run_and_the_exit_task_tells_why(finished):
    data = finished.volume / "wells" / "wells.csv"
    header, *rows = data.read_text().splitlines()
    shifted = [f"{float(row.split(',')[0]) + 100:.3f},{row.partition(',')[2]}" for row in rows]
    data.write_text("\n".join([header, *shifted, ""]))
    tasks, end = finished.tasks(REFUSED_RUN)
    failed = finished.cluster.run_all(tasks, done := set())
    assert {name: ended.code for name, ended in failed.items()} == {"anomaly-gate": 2}
    assert not {"transform", "trainer", "pusher"} & done
    told = finished.cluster.run(end)
    assert told.code == 2
    for error in (failed["anomaly-gate"].err, told.err):
        assert "`pressure` in train: drift of the distribution" in error
    assert f"The page of the data: {finished.output}/reports/data-wells.html" in told.err
    assert len(list((finished.output / "serving" / "wells").iterdir())) == 1
