"""The client against servers that fail, answer late, or change the model."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import pandas as pd
import pytest

from serving.client import AsyncClient, Client, InputMismatchError, RowError, ServingClientError
from tests.serving.client.fake_servers import SERVERS, FakeModel

ROWS = [{"x": 0.5}, {"x": 1.0}]


class Waiting:
    """The synchronous client, with the calls that both clients share in the tests."""

    def __init__(self, server, **options) -> None:
        self._client = Client(server, model="m", **options)

    def predict(self, rows, **options):
        return self._client.predict(rows, **options)

    def close(self):
        self._client.close()


class Asynchronous:
    """The asynchronous client, with its calls run to completion."""

    def __init__(self, server, **options) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(server, model="m", **options)

    def predict(self, rows, **options):
        return self._loop.run_until_complete(self._client.predict(rows, **options))

    def close(self):
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture(params=["grpc", "rest"])
def serve(request):
    return SERVERS[request.param]


@pytest.fixture(params=[Waiting, Asynchronous])
def open_client(request):
    opened = []

    def open_(server, **options):
        opened.append(request.param(server, **options))
        return opened[-1]

    yield open_
    for client in opened:
        client.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_rows_go_out_and_outputs_come_back(serve, open_client):
    model = FakeModel(version=2)
    with serve(model) as server:
        predictions = open_client(server).predict(ROWS)
    # x + 2
    assert predictions["y"].tolist() == [2.5, 3.0]
    assert predictions["y"].dtype == np.float32


def test_signatures_are_asked_for_once(serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        client = open_client(server)
        for _ in range(3):
            client.predict(ROWS)
    assert model.requests == ["metadata", *["predict 2"] * 3]


def test_many_rows_go_in_batches_and_come_back_in_order(serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        rows = [{"x": float(number)} for number in range(10)]
        predictions = open_client(server, batch_size=4).predict(rows)
    assert predictions["y"].tolist() == [number + 1.0 for number in range(10)]
    assert model.requests == ["metadata", "predict 4", "predict 4", "predict 2"]


def test_no_rows_are_no_request_but_the_signatures(serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        predictions = open_client(server).predict([])
    assert predictions["y"].shape == (0,)
    assert predictions["y"].dtype == np.float32
    assert model.requests == ["metadata"]


def test_unavailable_is_asked_again(serve, open_client):
    model = FakeModel(failures=["UNAVAILABLE", "UNAVAILABLE"])
    with serve(model) as server:
        assert open_client(server).predict(ROWS)["y"].tolist() == [1.5, 2.0]
    assert model.requests == ["metadata", "predict failed", "predict failed", "predict 2"]


def test_unavailable_is_asked_again_only_so_often(serve, open_client):
    model = FakeModel(failures=["UNAVAILABLE"] * 9)
    with serve(model) as server, pytest.raises(ServingClientError) as caught:
        open_client(server, attempts=3).predict(ROWS)
    assert (caught.value.code, caught.value.message) == ("UNAVAILABLE", "told to: UNAVAILABLE")
    assert model.requests == ["metadata", *["predict failed"] * 3]


def test_other_errors_are_raised_at_once_with_the_servers_text(serve, open_client):
    model = FakeModel(failures=["INTERNAL"])
    with serve(model) as server, pytest.raises(ServingClientError) as caught:
        open_client(server).predict(ROWS)
    assert str(caught.value) == "INTERNAL: told to: INTERNAL"
    assert model.requests == ["metadata", "predict failed"]


def test_no_answer_within_the_deadline(serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        client = open_client(server)
        client.predict(ROWS)
        model.delay_s = 1.0
        started = time.monotonic()
        with pytest.raises(ServingClientError) as caught:
            client.predict(ROWS, timeout_s=0.2)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - started < 0.9


def test_nothing_is_asked_again_after_the_deadline(serve, open_client):
    model = FakeModel(failures=["UNAVAILABLE"] * 1000)
    with serve(model) as server:
        started = time.monotonic()
        with pytest.raises(ServingClientError):
            open_client(server, attempts=1000).predict(ROWS, timeout_s=0.5)
        assert time.monotonic() - started < 1.5


def test_a_server_that_is_not_there_is_unavailable(open_client):
    port = free_port()
    for server in (f"grpc://127.0.0.1:{port}", f"http://127.0.0.1:{port}"):
        with pytest.raises(ServingClientError) as caught:
            open_client(server, attempts=2).predict(ROWS)
        assert caught.value.code == "UNAVAILABLE"


@pytest.mark.parametrize("wire", SERVERS)
def test_a_server_that_starts_within_the_retries_answers(wire, open_client):
    listening = socket.create_server(("127.0.0.1", 0))
    port, done, dropped = listening.getsockname()[1], threading.Event(), threading.Event()

    def start_after_the_first_attempt():
        with listening:
            listening.settimeout(20)
            listening.accept()[0].close()
        dropped.set()
        with SERVERS[wire](FakeModel(), port):
            done.wait(20)

    thread = threading.Thread(target=start_after_the_first_attempt)
    thread.start()
    scheme = {"grpc": "grpc", "rest": "http"}[wire]
    try:
        client = open_client(f"{scheme}://127.0.0.1:{port}", attempts=20)
        assert client.predict(ROWS)["y"].tolist() == [1.5, 2.0]
        assert dropped.is_set()
    finally:
        done.set()
        thread.join()


def test_a_dropped_connection_is_asked_again(open_client):
    model = FakeModel(failures=["DROP"])
    with SERVERS["rest"](model) as server:
        assert open_client(server).predict(ROWS)["y"].tolist() == [1.5, 2.0]
    assert model.requests == ["metadata", "predict dropped", "predict 2"]


def test_a_new_version_with_other_inputs_is_asked_by_its_own_signature(serve, open_client):
    model = FakeModel()
    rows = [{"x": 1.0, "z": 10.0}]
    with serve(model) as server:
        client = open_client(server)
        assert client.predict(rows)["y"].tolist() == [2.0]  # x + 1
        model.version = 3
        assert client.predict(rows)["y"].tolist() == [13.0]  # z + 3
    assert model.requests == ["metadata", "predict 1", "predict 1", "metadata", "predict 1"]


def test_a_mismatch_without_a_new_version_is_the_servers_answer(serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        client = open_client(server)
        client.predict(ROWS)
        model.failures = ["INVALID_ARGUMENT"]
        with pytest.raises(ServingClientError, match="told to: INVALID_ARGUMENT"):
            client.predict(ROWS)
    assert model.requests == ["metadata", "predict 2", "predict failed", "metadata"]


def tracebacks(failure):
    """The number of tracebacks that Python prints of an error."""
    return "".join(traceback.format_exception(failure)).count("Traceback (most recent call last)")


def break_the_server(model):
    model.failures = ["INTERNAL"]


def refuse_without_a_new_version(model):
    model.failures = ["INVALID_ARGUMENT"]


def change_the_inputs_of_the_model(model):
    model.version = 3  # takes `z`, which the rows lack


def change_the_model_and_break_it(model):
    model.version, model.failures = 3, ["INVALID_ARGUMENT", "INTERNAL"]


def answer_late(model):
    model.delay_s = 1.0


@pytest.mark.parametrize(
    ("trouble", "rows"),
    [
        (break_the_server, ROWS),
        (refuse_without_a_new_version, ROWS),
        (change_the_inputs_of_the_model, ROWS),
        (change_the_model_and_break_it, [{"x": 0.5, "z": 1.0}]),
        (answer_late, ROWS),
    ],
)
def test_an_error_of_a_call_is_one_traceback(trouble, rows, serve, open_client):
    model = FakeModel()
    with serve(model) as server:
        client = open_client(server)
        client.predict(ROWS)
        trouble(model)
        with pytest.raises((ServingClientError, InputMismatchError)) as caught:
            client.predict(rows, timeout_s=0.3)
    assert tracebacks(caught.value) == 1


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_not_there_is_one_traceback(scheme, open_client):
    with pytest.raises(ServingClientError, match="UNAVAILABLE") as caught:
        open_client(f"{scheme}://127.0.0.1:{free_port()}", attempts=2).predict(ROWS)
    assert tracebacks(caught.value) == 1


def test_an_answer_that_is_not_a_model_servers_is_one_traceback(open_client):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    class Anything(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"<html>")

    with (
        ThreadPoolExecutor(1) as pool,
        ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages,
    ):
        pool.submit(pages.serve_forever, 0.01)
        other = grpc.server(ThreadPoolExecutor(1), handlers=[Anything()])
        port = other.add_insecure_port("127.0.0.1:0")
        other.start()
        try:
            for server in (f"http://127.0.0.1:{pages.server_port}", f"grpc://127.0.0.1:{port}"):
                with pytest.raises(
                    ServingClientError, match="not that of a model server"
                ) as caught:
                    open_client(server).predict(ROWS)
                assert (caught.value.code, tracebacks(caught.value)) == ("INTERNAL", 1)
        finally:
            pages.shutdown()
            other.stop(None)


@pytest.mark.parametrize("value", ["a text", [1.0], {}])
def test_a_value_that_does_not_fit_is_one_traceback(value, serve, open_client):
    with serve(FakeModel()) as server:
        client = open_client(server)
        for rows in ([{"x": 1.0}, {"x": value}], pd.DataFrame({"x": [1.0, value]})):
            with pytest.raises(RowError, match="Row 1") as caught:
                client.predict(rows)
            assert tracebacks(caught.value) == 1


def test_grpc_says_which_version_answered_and_rest_does_not(open_client):
    with SERVERS["grpc"](FakeModel(version=2)) as server:
        assert open_client(server).predict(ROWS).version == 2
    with SERVERS["rest"](FakeModel(version=2)) as server:
        client = open_client(server)
        assert client.predict(ROWS).version is None
        assert client.predict(ROWS, version=2).version == 2


def test_a_signature_that_is_not_there_is_named_with_those_that_are(serve, open_client):
    with serve(FakeModel()) as server:
        client = open_client(server)
        with pytest.raises(InputMismatchError, match="no signature `s`; it has `serving_default`"):
            client.predict(ROWS, signature="s")


def test_many_threads_share_a_client(serve):
    with serve(FakeModel()) as server, Client(server, model="m") as client:
        answers = {}

        def ask(number):
            answers[number] = client.predict([{"x": number}])["y"].tolist()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: [number + 1.0] for number in range(16)}


def test_many_tasks_share_an_asynchronous_client(serve):
    async def ask_all(server):
        async with AsyncClient(server, model="m") as client:
            calls = [client.predict([{"x": number}]) for number in range(16)]
            return [answer["y"].tolist() for answer in await asyncio.gather(*calls)]

    with serve(FakeModel()) as server:
        assert asyncio.run(ask_all(server)) == [[number + 1.0] for number in range(16)]


@pytest.mark.parametrize("server", ["127.0.0.1:8500", "ftp://a:1", "grpc://", "http://a/v1", ""])
def test_an_invalid_address_is_refused_with_an_example(server):
    with pytest.raises(ValueError, match=r"is not the address of a model server.* grpc://127"):
        Client(server, model="m")


def test_values_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="names no port"):
        Client("grpc://localhost", model="m")
    with pytest.raises(ValueError, match="attempts must be > 0, got 0"):
        Client("http://localhost", model="m", attempts=0)
    with Client("http://localhost", model="m", batch_size=0) as client:
        with pytest.raises(ValueError, match="batch_size must be > 0, got 0"):
            client.predict(ROWS)
        with pytest.raises(ValueError, match="give one of the two"):
            client.predict(ROWS, version=1, label="stable")


@pytest.mark.parametrize("wire", ["grpc_wires", "rest_wires"])
def test_the_client_imports_neither_tensorflow_nor_the_libraries_of_tables(wire, project):
    probe = (
        f"import sys, serving.client.wires.{wire}\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not roots & {'tensorflow', 'tensorflow_serving', 'pandas', 'pyarrow'}, roots\n"
    )
    subprocess.run([sys.executable, "-c", probe], cwd=project, check=True, timeout=60)
