"""The REST API as a function, called as the platforms call it."""

import base64
import gzip
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from wsgiref.validate import validator

import pytest
from werkzeug.test import Client

from serving import function
from serving.errors import ServingError
from serving.flags import FlagError
from serving.function import EventError, Function
from serving.function.handlers import _only_function

pytestmark = pytest.mark.tensorflow

PREDICT = "/v1/models/half_plus_two:predict"


@pytest.fixture(scope="module")
def half(models):
    variables = {"MODEL_BASE_PATH": str(models), "MODEL_NAME": "half_plus_two"}
    loaded = Function.from_environment(variables)
    yield loaded
    loaded.close()


def event_2(body: str, path: str = PREDICT, **changes):
    http = {"method": "POST", "path": path, "protocol": "HTTP/1.1"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "x-request-id": "r-7"},
        "requestContext": {"http": http, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
        **changes,
    }


def test_an_event_of_a_gateway_gets_a_response(half):
    response = half.on_event(event_2('{"instances": [2]}'), SimpleNamespace(aws_request_id="a"))
    assert response["statusCode"] == 200
    assert json.loads(response["body"]) == {"predictions": [4.0]}  # version 2: x / 2 + 3
    assert response["headers"] == {"content-type": "application/json", "x-request-id": "r-7"}
    assert response["isBase64Encoded"] is False


def test_a_load_balancer_asks_for_the_status(half):
    event = {"httpMethod": "GET", "path": "/v1/models/half_plus_two", "headers": {}, "body": ""}
    response = half.on_event(event)
    [version] = json.loads(response["body"])["model_version_status"]
    assert (version["version"], version["state"]) == ("2", "AVAILABLE")


def test_a_direct_event_is_a_predict_call(half):
    assert half.on_event({"instances": [2, 4]}) == {"predictions": [4.0, 5.0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"rows": [1]}, "Missing 'inputs' or 'instances' key"),
        ([], "JSON Value: [] Is not object"),
        (
            {"instances": ["x"]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON "
            'Value: "x" Type: String is not of expected type: float',
        ),
    ],
)
def test_wrong_requests_get_the_texts_of_tensorflow_serving(half, body, message):
    response = half.on_event(event_2(json.dumps(body)))
    assert (response["statusCode"], json.loads(response["body"])) == (400, {"error": message})
    with pytest.raises(EventError) as caught:
        half.on_event(body)
    assert (caught.value.status, str(caught.value)) == (400, message)


def test_a_body_that_is_no_base64_is_a_400(half):
    response = half.on_event(event_2("{]", isBase64Encoded=True))
    assert response["statusCode"] == 400
    assert json.loads(response["body"])["error"].startswith("The body of the event is not base64")


def test_an_unknown_model_is_a_404(half):
    response = half.on_event(event_2('{"instances": [2]}', "/v1/models/pump:predict"))
    assert response["statusCode"] == 404
    assert json.loads(response["body"]) == {"error": "Servable not found for request: Latest(pump)"}


def test_a_compressed_body_arrives_as_base64(half):
    body = base64.b64encode(gzip.compress(b'{"instances": [2]}')).decode()
    event = event_2(body, isBase64Encoded=True, headers={"Content-Encoding": "gzip"})
    assert json.loads(half.on_event(event)["body"]) == {"predictions": [4.0]}


def test_a_valid_wsgi_application_answers_at_its_root_too(half):
    client = Client(validator(half.application))
    for path in ("/", PREDICT):
        answer = client.post(path, data=b'{"instances": [2]}', buffered=True)
        assert (answer.status_code, answer.json) == (200, {"predictions": [4.0]})
    answer = client.post("/elsewhere", data=b"{}", buffered=True)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert client.get("/readyz", buffered=True).text == "ok\n"


def test_a_request_of_flask_gets_body_status_and_headers(half):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": "18",
        "wsgi.input": io.BytesIO(b'{"instances": [2]}'),
    }
    body, status, headers = half.on_request(SimpleNamespace(environ=environ))
    assert (json.loads(body), status) == ({"predictions": [4.0]}, 200)
    assert headers == {"content-type": "application/json"}


def test_events_of_many_threads_get_their_own_answers(half):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda x: half.on_event({"instances": [x]}), range(200)))
    assert answers == [{"predictions": [x / 2 + 3]} for x in range(200)]


def test_the_function_of_the_process_loads_its_model_once(models, monkeypatch):
    monkeypatch.setenv("MODEL_BASE_PATH", str(models))
    monkeypatch.setenv("MODEL_NAME", "none")
    with pytest.raises(FlagError, match="MODEL_NAME is none, but there is no folder"):
        function.on_event({"instances": [2]})
    # A load that failed is tried again.
    monkeypatch.setenv("MODEL_NAME", "half_plus_two")
    with ThreadPoolExecutor(8) as pool:
        loaded = set(pool.map(lambda _: function.load(), range(8)))
    assert len(loaded) == 1
    assert function.on_event({"instances": [2]}) == {"predictions": [4.0]}
    [only] = loaded
    only.close()
    _only_function.cache_clear()


def test_a_model_that_does_not_load_is_an_error_at_once(models, tmp_path):
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")
    (tmp_path / "half" / "1" / "saved_model.pb").write_bytes(b"this is no protocol buffer")
    with pytest.raises(ServingError, match="name: half version: 1"):
        Function.from_environment({"MODEL_BASE_PATH": str(tmp_path)})
