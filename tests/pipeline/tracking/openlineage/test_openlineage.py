"""OpenLineage events: their form, their ids, and where they go."""

import importlib.util
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import jsonschema
import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config import OpenLineageTracking
from pipeline.lineage.graph import read_graph
from pipeline.tracking.openlineage.tracker import OpenLineageTracker
from pipeline.tracking.tracking import export_run
from tests.pipeline.records import Recorder, provenance, record_data_steps, record_model_steps

FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {name: {"type": "string", "format": "uri"} for name in ("_producer",)},
    },
}
NAMED = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "namespace": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1},
        "facets": FACETS,
        "inputFacets": FACETS,
        "outputFacets": FACETS,
    },
}
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
# What the specification requires of an event of a run.
EVENT = {
    "type": "object",
    "required": ["eventTime", "producer", "run", "job", "schemaURL"],
    "properties": {
        "eventType": {"enum": ["START", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
        "producer": {"type": "string", "pattern": "^urn:"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {
                "runId": {
                    "type": "string",
                    "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                },
                "facets": FACETS,
            },
        },
        "job": NAMED,
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
}


@pytest.fixture
def store(tmp_path):
    return MetadataStore(sqlite_connection(tmp_path / "metadata.db"))


def record(store, tmp_path):
    """A run that pushed version 100."""
    recorder = Recorder(store, "r1", provenance())
    serving = tmp_path / "serving" / "wells"
    record_model_steps(recorder, record_data_steps(recorder), serving=serving, version="100")


def export(store, tmp_path, run_id="r1", **options):
    graph = read_graph(store)
    tracker = OpenLineageTracker(OpenLineageTracking(**options))
    return tracker.export(graph, graph.runs[run_id], OutputFolder(tmp_path))


def events_of(tmp_path):
    lines = (tmp_path / "openlineage.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def of_step(events, step, kind="COMPLETE"):
    [event] = [
        one for one in events if one["job"]["name"] == f"wells.{step}" and one["eventType"] == kind
    ]
    return event


def test_each_event_has_the_form_of_the_specification(store, tmp_path):
    record(store, tmp_path)
    assert export(store, tmp_path) == {"openlineage": str(tmp_path / "openlineage.jsonl")}
    events = events_of(tmp_path)
    for event in events:
        jsonschema.validate(event, EVENT)
    # The run and its seven steps, each with a start and an end.
    assert len(events) == 16
    assert [event["eventType"] for event in (events[0], events[-1])] == ["START", "COMPLETE"]
    assert {event["job"]["name"] for event in (events[0], events[-1])} == {"wells"}


def test_steps_name_their_run_their_data_and_their_model(store, tmp_path):
    record(store, tmp_path)
    export(store, tmp_path)
    events = events_of(tmp_path)
    trainer = of_step(events, "Trainer")
    assert trainer["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]
    assert "artifacts/ArrowExampleGen" in {one["name"] for one in trainer["inputs"]}
    model = next(one for one in trainer["outputs"] if one["name"] == "artifacts/Trainer")
    assert model["facets"]["datasetType"]["datasetType"] == "MODEL"
    [pushed] = of_step(events, "Pusher")["outputs"]
    assert pushed["facets"]["version"]["datasetVersion"] == "100"
    [examples] = of_step(events, "ArrowExampleGen")["outputs"]
    assert examples["outputFacets"]["outputStatistics"]["rowCount"] == 200
    assert examples["facets"]["version"]["datasetVersion"] == "data-digest"


def test_the_same_record_gives_the_same_events(store, tmp_path):
    record(store, tmp_path)
    export(store, tmp_path)
    export(store, tmp_path)
    events = events_of(tmp_path)
    assert events[:16] == events[16:]


def test_a_failed_step_fails_its_run(store, tmp_path):
    recorder = Recorder(store, "r2", provenance())
    recorder.step("ArrowExampleGen", state=metadata_store_pb2.Execution.FAILED)
    export(store, tmp_path, "r2")
    events = events_of(tmp_path)
    assert [event["eventType"] for event in events] == ["START", "START", "FAIL", "FAIL"]
    message = of_step(events, "ArrowExampleGen", "FAIL")["run"]["facets"]["errorMessage"]["message"]
    assert message == "step ArrowExampleGen failed; the log of run r2 says why"


class Server(HTTPServer):
    """Takes events and keeps them with their Authorization; answers with `status`."""

    def __init__(self, status) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.got = status, []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(request):
    own = Server(getattr(request, "param", 201))
    thread = Thread(target=own.serve_forever, args=(0.01,))
    thread.start()
    yield own
    own.shutdown()
    thread.join()
    own.server_close()


def test_a_server_gets_the_events_with_the_key_of_the_environment(
    store, tmp_path, server, monkeypatch
):
    monkeypatch.setenv("LINEAGE_KEY", "s3cret-key")
    record(store, tmp_path)
    url = f"http://127.0.0.1:{server.server_port}"
    export(store, tmp_path, url=url, api_key_env="LINEAGE_KEY")
    paths, keys, events = zip(*server.got, strict=True)
    assert len(events) == 16
    assert set(paths) == {"/api/v1/lineage"}
    assert set(keys) == {"Bearer s3cret-key"}
    assert "s3cret-key" not in json.dumps(events)


@pytest.mark.parametrize(
    ("path", "posted"),
    [
        ("/", "/api/v1/lineage"),
        ("/api/v1/lineage", "/api/v1/lineage"),
        ("/marquez", "/marquez/api/v1/lineage"),
        ("/marquez/", "/marquez/api/v1/lineage"),
    ],
)
def test_the_path_of_the_url_is_kept_and_the_endpoint_comes_once(
    store, tmp_path, server, path, posted
):
    record(store, tmp_path)
    export(store, tmp_path, url=f"http://127.0.0.1:{server.server_port}{path}")
    assert {got[0] for got in server.got} == {posted}


@pytest.mark.parametrize("server", [403], indirect=True)
def test_a_server_that_refuses_is_a_failure_of_the_tracker_alone(store, tmp_path, server):
    record(store, tmp_path)
    options = OpenLineageTracking(url=f"http://127.0.0.1:{server.server_port}")
    exports = export_run(
        "r1", [OpenLineageTracker(options)], lambda: read_graph(store), OutputFolder(tmp_path)
    )
    [failure] = exports.failures
    assert failure.title == "OpenLineage"
    assert "403" in failure.reason
    assert len(server.got) == 1  # not once for each event


@pytest.mark.parametrize("missing", ["openlineage", "openlineage.client"])
def test_a_missing_client_is_named_before_the_run_begins(missing, monkeypatch):
    find_spec = importlib.util.find_spec

    def find(name):
        if name == missing:
            return None
        if name.startswith(f"{missing}."):  # what Python does without the package around it
            raise ModuleNotFoundError(name)
        return find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(InputError, match=r"needs the client of OpenLineage.*openlineage-python`"):
        OpenLineageTracker(OpenLineageTracking()).check_installed()


def test_a_password_in_the_url_is_refused():
    with pytest.raises(ValueError, match="must not hold a password"):
        OpenLineageTracking(url="https://user:secret@lineage.example.org")
