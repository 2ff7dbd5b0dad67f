"""A client that does not read its answer loses its connection."""

import socket
import threading
import time

import uvicorn

from serving.rest.protocol import RestProtocol

ANSWER = b"x" * 2**24  # more than the buffers of both sides hold


class _Impatient(RestProtocol):
    idle_s = 0.2


async def _answer(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


def _wait(is_so, timeout_s=60.0):
    end_s = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < end_s:
        time.sleep(0.02)
    return is_so()


def test_an_answer_that_is_not_read_is_dropped():
    server = uvicorn.Server(
        uvicorn.Config(_answer, http=_Impatient, lifespan="off", log_config=None)
    )
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    connections = server.server_state.connections
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
            client.connect(listening.getsockname())
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert _wait(lambda: len(connections) == 1)
            assert _wait(lambda: not connections)
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()
