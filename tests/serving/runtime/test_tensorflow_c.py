"""Bindings to TensorFlow's C library: values are unchanged, errors have its texts."""

import os
import subprocess
import sys

import grpc
import ml_dtypes
import numpy as np
import pytest
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.types_pb2 import DataType

from serving.errors import ServingError
from serving.runtime.tensor_protos import TYPE_ENUMS
from serving.runtime.tensorflow_c import Session, file_exists, list_folder


@pytest.fixture
def echo():
    """Returns an array as the library gives it back."""
    sessions = []

    def echo(array):
        graph = GraphDef()
        dtype = TYPE_ENUMS[array.dtype]
        graph.node.add(name="x", op="Placeholder").attr["dtype"].type = dtype
        graph.node.add(name="y", op="Identity", input=["x"]).attr["T"].type = dtype
        session = Session.from_graph(graph.SerializeToString())
        sessions.append(session)
        [result] = session.run({"x:0": array}, ["y:0"])
        return result

    yield echo
    for session in sessions:
        session.close()


@pytest.mark.parametrize("enum", sorted(TYPE_ENUMS.values()), ids=DataType.Name)
def test_every_type_comes_back(echo, enum):
    [dtype] = [dtype for dtype, number in TYPE_ENUMS.items() if number == enum]
    values = [b"a", b""] if dtype.hasobject else [1, 0]
    array = np.array([values], dtype)
    result = echo(array)
    assert result.dtype == dtype
    assert result.tolist() == array.tolist()


def test_bfloat16_keeps_its_bits(echo):
    array = np.array([1.5, -0.0, np.inf], ml_dtypes.bfloat16)
    assert echo(array).view(np.uint16).tolist() == array.view(np.uint16).tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3).reshape(()),
        np.empty((0, 4), np.int64),
        np.arange(24, dtype=np.int32).reshape(2, 3, 4),
        np.arange(6, dtype=np.float64).reshape(2, 3).T,  # not in C order
        np.arange(9, dtype=np.float32)[::2],
        np.array(b"alone", object),
        np.empty((0,), object),
    ],
)
def test_every_shape_comes_back(echo, array):
    result = echo(array)
    assert result.shape == array.shape
    assert result.tolist() == array.tolist()


def test_texts_of_any_length_and_bytes_come_back(echo):
    texts = [b"x" * size for size in (0, 1, 22, 23, 24, 1000, 100_000)] + [b"\0\xff", b"\0" * 30]
    array = np.empty(len(texts), object)
    array[:] = texts
    assert echo(array).tolist() == texts


def test_no_text_stays_in_memory(echo):
    from serving.runtime import tensorflow_c

    echo(np.array([b"x" * 100] * 10, object))
    assert not tensorflow_c._alive


def test_a_result_outlives_its_session():
    graph = GraphDef()
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = DataType.DT_FLOAT
    graph.node.add(name="y", op="Neg", input=["x"]).attr["T"].type = DataType.DT_FLOAT
    session = Session.from_graph(graph.SerializeToString())
    [result] = session.run({"x:0": np.float32([1, 2])}, ["y:0"])
    session.close()
    assert result.tolist() == [-1.0, -2.0]


def test_a_graph_that_is_none_is_refused():
    graph = GraphDef()
    graph.node.add(name="x", op="NoSuchOperation")
    with pytest.raises(ServingError, match="Op type not registered 'NoSuchOperation'") as caught:
        Session.from_graph(graph.SerializeToString())
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_an_output_that_cannot_be_sent_is_refused():
    graph = GraphDef()
    handle = graph.node.add(name="v", op="VarHandleOp")
    handle.attr["dtype"].type = DataType.DT_FLOAT
    handle.attr["shape"].shape.SetInParent()
    session = Session.from_graph(graph.SerializeToString())
    with pytest.raises(ServingError, match="cannot be sent") as caught:
        session.run({}, ["v:0"])
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED
    session.close()


def test_folders_and_files(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "file").touch()
    assert sorted(name.rstrip("/") for name in list_folder(str(tmp_path))) == ["7", "file"]
    assert file_exists(str(tmp_path / "file"))
    assert not file_exists(str(tmp_path / "other"))
    with pytest.raises(ServingError, match="other") as caught:
        list_folder(str(tmp_path / "other"))
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


_LIGHT = """
import sys
from serving.server import import_lightly
import_lightly()
import serving.grpc_services, serving.rest.server
import serving.lifecycle.model_loader, serving.lifecycle.version_manager
from serving.runtime.tensorflow_c import library
library()
heavy = [name for name in sys.modules if name.startswith(("tensorflow.python", "keras"))]
sys.exit(f"imported: {heavy[:5]}" if heavy else 0)
"""


def test_a_server_does_without_tensorflow_s_python(project):
    done = subprocess.run(
        [sys.executable, "-c", _LIGHT],
        cwd=project,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
