"""Bindings to TensorFlow's C library by ctypes, which load and run models without its Python code.

TensorFlow Serving loads models by the C++ function that `TF_LoadSessionFromSavedModel` calls, so a
load fails in both with the same error. TensorFlow's Python loader would hold the interpreter lock
while it rebuilds the graph op by op, which blocks all requests, and `import tensorflow` takes
seconds.

The functions are those of `tensorflow/c/c_api.h`, a stable interface.
"""

import ctypes
import functools
import importlib.util
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from common.guards.vector_instructions import limit_vector_instructions
from serving.errors import ServingError, not_found
from serving.runtime.tensor_protos import NUMPY_TYPES, TEXT_BYTES, TYPE_ENUMS

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_STRING = TYPE_ENUMS[np.dtype(object)]
_STRING_SIZE = TEXT_BYTES  # sizeof(TF_TString)
_MAX_MESSAGE_BYTES = 2**16


class _Output(ctypes.Structure):
    """TF_Output: one tensor of a graph."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class _Buffer(ctypes.Structure):
    """TF_Buffer: bytes that the library owns."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class _FileStatistics(ctypes.Structure):
    """TF_FileStatistics."""

    _fields_ = (("length", c_int64), ("mtime_ns", c_int64), ("is_directory", ctypes.c_bool))


_Deallocator = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)

# Result and arguments of each function. Long functions release the interpreter lock. Short ones
# must not: a thread that releases the lock may have to wait for all other threads.
_LONG: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        (
            *(c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int),
            *(c_void_p, POINTER(_Buffer), c_void_p),
        ),
    ),
    "TF_NewSession": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "TF_SessionRun": (
        None,
        (
            *(c_void_p, c_void_p, POINTER(_Output), POINTER(c_void_p), c_int),
            *(POINTER(_Output), POINTER(c_void_p), c_int, c_void_p, c_int, c_void_p, c_void_p),
        ),
    ),
    "TF_CloseSession": (None, (c_void_p, c_void_p)),
    "TF_DeleteSession": (None, (c_void_p, c_void_p)),
    "TF_DeleteGraph": (None, (c_void_p,)),
    "TF_GraphImportGraphDef": (None, (c_void_p, POINTER(_Buffer), c_void_p, c_void_p)),
    "TF_FileStat": (None, (c_char_p, POINTER(_FileStatistics), c_void_p)),
    "TF_GetChildren": (c_void_p, (c_char_p, c_void_p)),
}
_SHORT: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_NewStatus": (c_void_p, ()),
    "TF_DeleteStatus": (None, (c_void_p,)),
    "TF_GetCode": (c_int, (c_void_p,)),
    "TF_Message": (c_char_p, (c_void_p,)),
    "TF_NewBuffer": (POINTER(_Buffer), ()),
    "TF_NewBufferFromString": (POINTER(_Buffer), (c_char_p, c_size_t)),
    "TF_DeleteBuffer": (None, (POINTER(_Buffer),)),
    "TF_NewGraph": (c_void_p, ()),
    "TF_GraphOperationByName": (c_void_p, (c_void_p, c_char_p)),
    "TF_OperationNumOutputs": (c_int, (c_void_p,)),
    "TF_NewImportGraphDefOptions": (c_void_p, ()),
    "TF_DeleteImportGraphDefOptions": (None, (c_void_p,)),
    "TF_NewSessionOptions": (c_void_p, ()),
    "TF_SetConfig": (None, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "TF_DeleteSessionOptions": (None, (c_void_p,)),
    "TF_NewTensor": (
        c_void_p,
        (c_int, POINTER(c_int64), c_int, c_void_p, c_size_t, _Deallocator, c_void_p),
    ),
    "TF_AllocateTensor": (c_void_p, (c_int, POINTER(c_int64), c_int, c_size_t)),
    "TF_DeleteTensor": (None, (c_void_p,)),
    "TF_TensorType": (c_int, (c_void_p,)),
    "TF_NumDims": (c_int, (c_void_p,)),
    "TF_Dim": (c_int64, (c_void_p, c_int)),
    "TF_TensorData": (c_void_p, (c_void_p,)),
    "TF_StringCopy": (None, (c_void_p, c_char_p, c_size_t)),
    "TF_StringGetDataPointer": (c_void_p, (c_void_p,)),
    "TF_StringGetSize": (c_size_t, (c_void_p,)),
    "TF_StringDealloc": (None, (c_void_p,)),
    "TF_StringStreamNext": (ctypes.c_bool, (c_void_p, POINTER(c_char_p))),
    "TF_StringStreamDone": (None, (c_void_p,)),
}


@functools.cache
def library() -> Any:
    """Returns the functions of the library as attributes; loads it at the first call.

    Raises:
        ImportError: TensorFlow is not installed, or has no such library.
    """
    spec = importlib.util.find_spec("tensorflow")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("libtensorflow_cc.*"))]
    if not files:
        raise ImportError(f"TensorFlow's C library, libtensorflow_cc, is not in {folders}")
    limit_vector_instructions()
    functions = _Functions()
    for loader, table in ((ctypes.CDLL, _LONG), (ctypes.PyDLL, _SHORT)):
        loaded = loader(str(files[0]))
        for name, (result, arguments) in table.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
            setattr(functions, name, function)
    return functions


class _Functions:
    """The functions as attributes."""


@contextmanager
def checked_status() -> Iterator[c_void_p]:
    """Yields a status for a call of the library, and raises the error that it holds afterwards.

    Raises:
        ServingError: With the code and text of the status.
    """
    c = library()
    status = c.TF_NewStatus()
    try:
        yield status
        code = c.TF_GetCode(status)
        if code:
            # A message may quote a whole input.
            text = c.TF_Message(status)[:_MAX_MESSAGE_BYTES].decode("utf-8", "replace")
            raise ServingError(_CODES[code], text)
    finally:
        c.TF_DeleteStatus(status)


class Session:
    """A graph and the session that runs it.

    Attributes:
        meta_graph: Serialised MetaGraphDef of the SavedModel; empty for a graph from a proto.
    """

    def __init__(self) -> None:
        self._c = library()
        self._graph = self._c.TF_NewGraph()
        self._session: int | None = None
        self._outputs: dict[str, _Output] = {}
        self.meta_graph = b""

    @classmethod
    def from_saved_model(cls, path: str, tags: Sequence[str], config: bytes) -> "Session":
        """Loads a SavedModel with its variables, tables and assets.

        Args:
            path: Folder or URI of the SavedModel.
            tags: Tags of the graph to load.
            config: A serialised ConfigProto.

        Raises:
            ServingError: With TensorFlow's code and text.
        """
        self = cls()
        c = self._c
        buffer = c.TF_NewBuffer()
        try:
            with self._session_options(config) as options, checked_status() as status:
                self._session = c.TF_LoadSessionFromSavedModel(
                    *(options, None, path.encode()),
                    *((c_char_p * len(tags))(*(tag.encode() for tag in tags)), len(tags)),
                    *(self._graph, buffer, status),
                )
            self.meta_graph = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        except BaseException:
            self.close()
            raise
        finally:
            c.TF_DeleteBuffer(buffer)
        return self

    @classmethod
    def from_graph(cls, graph_def: bytes) -> "Session":
        """Creates a session on a serialised GraphDef.

        Raises:
            ServingError: With TensorFlow's code and text.
        """
        self = cls()
        c = self._c
        buffer = c.TF_NewBufferFromString(graph_def, len(graph_def))
        import_options = c.TF_NewImportGraphDefOptions()
        try:
            with checked_status() as status:
                c.TF_GraphImportGraphDef(self._graph, buffer, import_options, status)
            with self._session_options(b"") as options, checked_status() as status:
                self._session = c.TF_NewSession(self._graph, options, status)
        except BaseException:
            self.close()
            raise
        finally:
            c.TF_DeleteImportGraphDefOptions(import_options)
            c.TF_DeleteBuffer(buffer)
        return self

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        run_options: bytes = b"",
    ) -> list[NDArray[Any]]:
        """Runs the graph once.

        Args:
            feeds: Arrays by tensor name, `x:0`; strings as `object` arrays of bytes.
            fetches: Names of the tensors to return.
            run_options: A serialised RunOptions.

        Returns:
            The fetched arrays.

        Raises:
            ServingError: NOT_FOUND for a name that is not in the graph, otherwise TensorFlow's
                code and text.
        """
        c = self._c
        inputs = self._find_all(feeds, "FeedInputs: unable to find feed output {}")
        outputs = self._find_all(fetches, "FetchOutputs node {}: not found")
        fed = (c_void_p * len(feeds))()
        fetched = (c_void_p * len(fetches))()
        options = c.TF_NewBufferFromString(run_options, len(run_options)) if run_options else None
        try:
            for position, array in enumerate(feeds.values()):
                fed[position] = _to_tensor(c, array)
            with checked_status() as status:
                c.TF_SessionRun(
                    *(self._session, options),
                    *(inputs, fed, len(feeds)),
                    *(outputs, fetched, len(fetches)),
                    *(None, 0, None, status),
                )
            return [_to_array(c, tensor) for tensor in fetched if tensor]
        finally:
            for tensor in (*fed, *fetched):
                if tensor:
                    c.TF_DeleteTensor(tensor)
            if options:
                c.TF_DeleteBuffer(options)

    def _find_all(self, names: Iterable[str], missing: str) -> Any:
        """Returns tensors by name; each name is looked up once per session."""
        outputs = []
        for name in names:
            output = self._outputs.get(name) or self._find(name)
            if output is None:
                raise not_found(missing.format(name))
            self._outputs[name] = output
            outputs.append(output)
        return (_Output * len(outputs))(*outputs)

    def _find(self, name: str) -> "_Output | None":
        operation_name, _, number = name.rpartition(":")
        if not operation_name or not number.isdecimal():
            return None
        operation = self._c.TF_GraphOperationByName(self._graph, operation_name.encode())
        if not operation or int(number) >= self._c.TF_OperationNumOutputs(operation):
            return None
        return _Output(operation, int(number))

    def close(self) -> None:
        """Frees the session and the graph; call it while no run is in progress."""
        c = self._c
        if self._session:
            with checked_status() as status:
                c.TF_CloseSession(self._session, status)
            with checked_status() as status:
                c.TF_DeleteSession(self._session, status)
        if self._graph:
            c.TF_DeleteGraph(self._graph)
        self._session = self._graph = None
        self._outputs.clear()

    @contextmanager
    def _session_options(self, config: bytes) -> Iterator[c_void_p]:
        c = self._c
        options = c.TF_NewSessionOptions()
        try:
            with checked_status() as status:
                c.TF_SetConfig(options, config, len(config), status)
            yield options
        finally:
            c.TF_DeleteSessionOptions(options)


def list_folder(path: str) -> list[str]:
    """Returns the names in a folder, on any file system that TensorFlow supports.

    Raises:
        ServingError: NOT_FOUND if there is no such folder, otherwise TensorFlow's code and text.
    """
    c = library()
    with checked_status() as status:
        stream = c.TF_GetChildren(path.encode(), status)
    names, name = [], c_char_p()
    while c.TF_StringStreamNext(stream, ctypes.byref(name)):
        names.append((name.value or b"").decode("utf-8", "surrogateescape"))
    c.TF_StringStreamDone(stream)
    return names


def file_exists(path: str) -> bool:
    """Returns whether a file or folder exists.

    Raises:
        ServingError: The file system failed; with TensorFlow's code and text.
    """
    statistics = _FileStatistics()
    try:
        with checked_status() as status:
            library().TF_FileStat(path.encode(), ctypes.byref(statistics), status)
    except ServingError as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return False
        raise
    return True


def _to_tensor(c: Any, array: NDArray[Any]) -> int:
    if array.dtype.kind in "OSU":
        return _to_text_tensor(c, array)
    enum = TYPE_ENUMS.get(array.dtype)
    if enum is None:
        raise TypeError(f"no tensor of type {array.dtype}")
    tensor = c.TF_AllocateTensor(enum, _dims(array.shape), array.ndim, array.nbytes)
    if array.nbytes:
        ctypes.memmove(c.TF_TensorData(tensor), array.tobytes(), array.nbytes)
    return int(tensor)


# TensorFlow frees the strings of a tensor with the tensor, possibly after the run.
_alive: dict[int, Any] = {}


def _to_text_tensor(c: Any, array: NDArray[Any]) -> int:
    count = array.size
    memory = (ctypes.c_char * max(count * _STRING_SIZE, 1))()  # zeros are empty texts
    address = ctypes.addressof(memory)
    for position, value in enumerate(array.reshape(-1).tolist()):
        text = value if isinstance(value, bytes) else str(value).encode()
        c.TF_StringCopy(address + position * _STRING_SIZE, text, len(text))
    _alive[address] = memory
    size = count * _STRING_SIZE
    dims = _dims(array.shape)
    return int(c.TF_NewTensor(_STRING, dims, array.ndim, address, size, _free_texts, None))


@_Deallocator
def _free_texts(address: int, size: int, _: Any) -> None:
    free = library().TF_StringDealloc
    for position in range(0, size, _STRING_SIZE):
        free(address + position)
    _alive.pop(address, None)


@functools.lru_cache(1024)
def _dims(shape: tuple[int, ...]) -> Any:
    return (c_int64 * len(shape))(*shape)


def _to_array(c: Any, tensor: int) -> NDArray[Any]:
    dtype = NUMPY_TYPES.get(c.TF_TensorType(tensor))
    if dtype is None:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"An output's type, {c.TF_TensorType(tensor)}, cannot be sent",
        )
    shape = [c.TF_Dim(tensor, axis) for axis in range(c.TF_NumDims(tensor))]
    data = c.TF_TensorData(tensor)
    size = math.prod(shape)
    if not dtype.hasobject:
        content = ctypes.string_at(data, size * dtype.itemsize)
        return (np.frombuffer(content, dtype) if size else np.empty(0, dtype)).reshape(shape)
    texts = np.empty(size, object)
    for position in range(texts.size):
        text = data + position * _STRING_SIZE
        texts[position] = ctypes.string_at(
            c.TF_StringGetDataPointer(text), c.TF_StringGetSize(text)
        )
    return texts.reshape(shape)
