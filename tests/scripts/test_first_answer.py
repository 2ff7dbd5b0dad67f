"""The measurement of a server's start, on a server of a few lines."""

import json
import sys

import pytest

from common.processes import free_ports
from scripts.first_answer import empty_instance, main, measure

# A server with one model, whose predict call repeats the request.
SERVER = """
import json, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

INPUTS = {"x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        signatures = {"serving_default": {"inputs": INPUTS}}
        self.answer(200, {"metadata": {"signature_def": {"signature_def": signatures}}})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(int(sys.argv[2]), body)
    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *arguments):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def port():
    return free_ports(1)[0]


def command(port, status=200):
    return [sys.executable, "-c", SERVER, str(port), str(status)]


def test_an_instance_has_the_types_and_shapes_of_the_inputs():
    inputs = {
        "name": {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1"}]}},
        "signal": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}, {"size": "-1"}]},
        },
    }
    assert empty_instance(inputs) == {"name": "", "signal": [[0], [0]]}


def test_the_first_predict_call_and_the_stop_are_measured(port, capsys):
    assert main([str(port), "pump", *command(port)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["answer"] == {"instances": [{"x": [0, 0]}]}
    assert result["exit_code"] == 7
    assert result["first_answer_s"] > 0
    assert result["stop_s"] >= 0


def test_an_answer_with_an_error_is_an_error(port):
    with pytest.raises(RuntimeError, match=r"POST /v1/models/pump:predict: 400 \{\"instances\""):
        measure(port, "pump", command(port, 400))


def test_a_server_that_ends_is_an_error(port):
    with pytest.raises(RuntimeError, match="The server ended with exit code 3"):
        measure(port, "pump", [sys.executable, "-c", "raise SystemExit(3)"])
