import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from serving.runtime.arrival.grpc_threads import RequestThreads, fits_grpc

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _END_HEADERS = 1, 4, 4


class _Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/echo":
            return grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
        return grpc.unary_stream_rpc_method_handler(lambda request, _context: iter([request] * 2))


def _serving(pool):
    server = grpc.server(pool, handlers=[_Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@pytest.fixture
def port():
    """A server with a single thread."""
    server, port = _serving(RequestThreads(1))
    yield port
    assert server.stop(0).wait(10)


def _frame(kind, flags, stream, payload=b""):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def _literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _open_calls(port, num_calls):
    """Begins calls that send their headers and nothing else."""
    headers = b"\x83\x86" + b"".join(  # POST, http
        _literal(name, value)
        for name, value in (
            (b":path", b"/echo"),
            (b":authority", b"x"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(_PREFACE + _frame(_SETTINGS, 0, 0))
    connection.sendall(
        b"".join(_frame(_HEADERS, _END_HEADERS, 2 * n + 1, headers) for n in range(num_calls))
    )
    assert connection.recv(9)  # the server's settings: it has read the preface
    return connection


def _call(port, path="/echo", request=b"x", timeout_s=10.0):
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        return channel.unary_unary(path)(request, timeout=timeout_s)


def test_the_installed_grpc_has_the_functions_that_the_pool_uses():
    assert fits_grpc()


def test_calls_without_a_request_hold_no_thread(port):
    with _open_calls(port, 50):
        assert [_call(port) for _ in range(20)] == [b"x"] * 20


def test_a_plain_pool_would_be_blocked():
    # gRPC's own way, without which the test above would show nothing.
    server, port = _serving(ThreadPoolExecutor(1))
    with _open_calls(port, 50):
        with pytest.raises(grpc.RpcError) as refused:
            [_call(port, timeout_s=0.5) for _ in range(20)]
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.stop(0).wait(10)


def test_calls_with_streams_of_answers_are_answered(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert list(channel.unary_stream("/twice")(b"y", timeout=10)) == [b"y", b"y"]


def test_a_call_that_ends_without_a_request_is_refused(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.stream_unary("/echo")(iter([]), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert refused.value.details() == '"/echo" requires exactly one request message.'
    assert _call(port) == b"x"


def test_a_server_stops_while_calls_wait_for_their_requests():
    server, port = _serving(RequestThreads(1))
    with _open_calls(port, 50):
        assert _call(port) == b"x"
        assert server.stop(0).wait(10)
