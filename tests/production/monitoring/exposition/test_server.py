"""The HTTP endpoint for Prometheus."""

import socket

import httpx
import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.exposition.server import exposing


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = OutputFolder(tmp_path_factory.mktemp("output"))
    with exposing(folder, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


def test_metrics_are_served_in_the_text_format(url):
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE faultline_output_free_bytes gauge\n" in answer.text


def test_targets_are_a_json_list(url):
    answer = httpx.get(f"{url}/targets")
    assert (answer.headers["content-type"], answer.json()) == ("application/json", [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/", 404), ("POST", "/metrics", 405)],
)
def test_other_requests_get_their_status(url, method, path, status):
    assert httpx.request(method, url + path).status_code == status


def test_a_taken_port_is_an_error_that_names_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: Address already in use"),
            exposing(OutputFolder(tmp_path), host="127.0.0.1", port=port),
        ):
            pass
