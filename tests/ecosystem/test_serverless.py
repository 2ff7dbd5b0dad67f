"""The serving function called by the programs of its platforms, and the schemas of the services."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import jsonschema
import pytest
from ruamel.yaml import YAML

from common.processes import free_ports

pytestmark = pytest.mark.ecosystem

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "serving" / "deploy"
KNATIVE = "knative.dev/serving@v0.46.0"
# Its document of Cloud Run's API; the lock file has an older version without documents.
GOOGLE_CLIENT = "google-api-python-client==2.202.0"
RUN_DOCUMENT = "googleapiclient/discovery_cache/documents/run.v1.json"


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    from tests.serving import tiny_models

    folder = tmp_path_factory.mktemp("models")
    tiny_models.half_plus_two(folder / "half" / "1")
    return folder


@contextmanager
def process(log: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **variables}
    with log.open("wb") as file:
        running = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(20)


def ask(url: str, body: dict, log: Path) -> httpx.Response:
    """Asks a server that may not listen yet."""
    end_s = time.monotonic() + 120
    while True:
        try:
            return httpx.post(url, json=body, timeout=120)
        except httpx.ConnectError:
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.1)


def test_functions_framework_answers_by_the_function(model_folder, tmp_path):
    pytest.importorskip("functions_framework", reason="not installed: make ecosystem-tools")
    [port] = free_ports(1)
    log = tmp_path / "log"
    command = (
        *(sys.executable, "-m", "functions_framework", "--source", "serving/function/handlers.py"),
        *("--target", "on_request", "--host", "127.0.0.1", "--port", str(port)),
    )
    with process(log, *command, MODEL_BASE_PATH=str(model_folder), PYTHONPATH=str(PROJECT)):
        url = f"http://127.0.0.1:{port}"
        answer = ask(url, {"instances": [2]}, log)
        assert (answer.status_code, answer.json()) == (200, {"predictions": [3.0]})
        assert answer.headers["content-type"] == "application/json"
        answer = ask(f"{url}/v1/models/half:predict", {"rows": [2]}, log)
        assert answer.status_code == 400
        assert answer.json() == {"error": "Missing 'inputs' or 'instances' key"}
        assert (
            httpx.get(f"{url}/v1/models/half").json()["model_version_status"][0]["version"] == "1"
        )


class RuntimeApi(ThreadingHTTPServer):
    """AWS Lambda's API for runtimes: gives out events and takes what the function returns.

    Attributes:
        events: Events to give out, each with an id.
        results: By id, `response` or `error` and the document that the runtime sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.events: Queue[tuple[str, Any]] = Queue()
        self.results: Queue[tuple[str, str, Any]] = Queue()
        super().__init__(("127.0.0.1", 0), _RuntimeHandler)

    def call(self, number: int, event: Any) -> tuple[str, Any]:
        """Gives out one event, and returns the kind and the document of its result."""
        self.events.put((f"request-{number}", event))
        request_id, kind, result = self.results.get(timeout=120)
        assert request_id == f"request-{number}"
        return kind, result


class _RuntimeHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        assert self.path == "/2018-06-01/runtime/invocation/next"
        request_id, event = self.server.events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 60) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:0:function:half",
            "Content-Type": "application/json",
        }
        self._answer(200, json.dumps(event).encode(), headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match = re.fullmatch(r"/2018-06-01/runtime/invocation/(.+)/(response|error)", self.path)
        if match is None:  # the start failed
            self.server.results.put(("", self.path, json.loads(body)))
        else:
            self.server.results.put((match[1], match[2], json.loads(body)))
        self._answer(202, b"{}", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Prints nothing."""


def test_the_runtime_of_lambda_answers_by_the_function(model_folder, tmp_path):
    pytest.importorskip("awslambdaric", reason="not installed: make ecosystem-tools")
    api = RuntimeApi()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    command = (sys.executable, "-m", "awslambdaric", "serving.function.on_event")
    variables = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_NAME": "half",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(PROJECT),
        "MODEL_BASE_PATH": str(model_folder),
        "PYTHONPATH": str(PROJECT),
    }
    with process(tmp_path / "log", *command, **variables):
        assert api.call(1, {"instances": [2]}) == ("response", {"predictions": [3.0]})
        kind, error = api.call(2, {"rows": [2]})
        assert (kind, error["errorType"]) == ("error", "EventError")
        assert error["errorMessage"] == "Missing 'inputs' or 'instances' key"
        event = {
            "version": "2.0",
            "rawPath": "/v1/models/half:predict",
            "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {"http": {"method": "POST"}},
            "body": base64.b64encode(b'{"instances": [4]}').decode(),
            "isBase64Encoded": True,
        }
        kind, response = api.call(3, event)
        assert (kind, response["statusCode"]) == ("response", 200)
        assert json.loads(response["body"]) == {"predictions": [4.0]}
    api.shutdown()
    api.server_close()


def load(path: Path) -> dict:
    return YAML(typ="safe").load(path)


def closed(schema: Any) -> Any:
    """Returns a schema that refuses the unknown fields that Kubernetes would drop or refuse."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: closed(value) for key, value in schema.items()}
    is_open = copy.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in copy
    if isinstance(copy.get("properties"), dict) and not is_open:
        copy["additionalProperties"] = False
    return copy


@pytest.fixture(scope="module")
def knative_schema() -> dict:
    """The schema of a Knative service, from Knative's own definitions."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: it fetches Knative's definitions")
    done = subprocess.run(
        ["go", "mod", "download", "-json", KNATIVE], capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        pytest.skip(f"Knative's definitions cannot be fetched: {answer.get('Error', done.stderr)}")
    file = Path(answer["Dir"], "config", "core", "300-resources", "service.yaml")
    [version] = load(file)["spec"]["versions"]
    return closed(version["schema"]["openAPIV3Schema"])


def test_the_service_of_knative_is_valid_by_its_schema(knative_schema):
    service = load(DEPLOY / "knative.yaml")
    service["metadata"] = {}  # the API server checks it, not the definition
    jsonschema.validate(service, knative_schema)
    [container] = service["spec"]["template"]["spec"]["containers"]
    container["readinessprobe"] = container.pop("readinessProbe")
    with pytest.raises(jsonschema.ValidationError, match="'readinessprobe' was unexpected"):
        jsonschema.validate(service, knative_schema)


@pytest.fixture(scope="module")
def cloud_run_schemas(tmp_path_factory) -> dict:
    """The schemas of Cloud Run's API, from Google's client."""
    folder = tmp_path_factory.mktemp("client")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, GOOGLE_CLIENT],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the schema of Cloud Run cannot be fetched: {done.stderr}")
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(archive.read(RUN_DOCUMENT))["schemas"]


def unsupported(value: Any, schema: dict, schemas: dict, place: str = "") -> Iterator[str]:
    """Yields the fields that Cloud Run's document does not have, or says to be unsupported."""
    schema = schemas.get(schema.get("$ref"), schema)
    if isinstance(value, list):
        for one in value:
            yield from unsupported(one, schema["items"], schemas, f"{place}[]")
    elif isinstance(value, dict) and "properties" in schema:
        for name, one in value.items():
            field = schema["properties"].get(name)
            if field is None or field.get("description", "").startswith("Not supported"):
                yield f"{place}.{name}"
            else:
                yield from unsupported(one, field, schemas, f"{place}.{name}")


def test_cloud_run_supports_every_field_of_its_service(cloud_run_schemas):
    root = {"$ref": "Service"}
    service = load(DEPLOY / "cloudrun.yaml")
    assert list(unsupported(service, root, cloud_run_schemas)) == []
    # Knative's has more, which is why there are two files.
    assert ".spec.template.spec.containers[].securityContext" in unsupported(
        load(DEPLOY / "knative.yaml"), root, cloud_run_schemas
    )
