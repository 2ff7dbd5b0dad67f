"""Grouping of records by version and hour, and requests that cannot be recorded."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.recording.exchanges import Exchange, Tags
from serving.recording.files import whole_batches
from serving.recording.model_writer import ModelWriter, folder_name
from serving.recording.options import RecordingOptions

HOUR_S = 3600


def signature(*inputs: str) -> dict[str, SignatureDef]:
    """A `serving_default` of float columns whose tensors are called `NAME:0`."""
    made = SignatureDef()
    for infos, names in ((made.inputs, inputs), (made.outputs, ("probability", "decision"))):
        for name in names:
            infos[name].name = f"{name}:0"
            infos[name].dtype = DataType.DT_FLOAT
            infos[name].tensor_shape.dim.add().size = -1
    return {"serving_default": made}


A, AB = signature("a"), signature("a", "b")


def exchange(
    signatures: dict[str, SignatureDef] = A, *, hours_ago: float = 0, **changes: Any
) -> Exchange:
    made = Exchange(Tags(), 100)
    made.model, made.version, made.signatures = "m", 1, signatures
    made.time_ns = int((time.time() - hours_ago * HOUR_S) * 1e9)
    made.feeds = {
        f"{name}:0": np.array([1.5], np.float32) for name in signatures["serving_default"].inputs
    }
    made.outputs = {"probability:0": np.array([0.7], np.float32), "decision:0": np.array([1])}
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def writer(tmp_path):
    return make(tmp_path)


def make(folder: Path, **options: Any) -> ModelWriter:
    return ModelWriter(
        folder, "m", RecordingOptions(**options), arm="stable", folder_of=lambda *_: None
    )


def closed(folder: Path) -> list[list[dict[str, Any]]]:
    paths = sorted(folder.glob("m/requests/date=*/hour=*/*.parquet"))
    return [pq.ParquetFile(path).read().to_pylist() for path in paths]


def test_a_file_holds_one_hour_and_is_closed_soon_after_it(tmp_path, writer):
    writer.add([exchange(), exchange(hours_ago=3), exchange(hours_ago=2)])
    assert writer.flush() == {("m", "OK"): 3}
    # The hour that goes on is still live.
    assert len(closed(tmp_path)) == 2
    [live] = tmp_path.glob("m/live/*.arrows")
    assert sum(batch.num_rows for batch in whole_batches(live)) == 1
    writer.close()
    files = closed(tmp_path)
    assert [len(file) for file in files] == [1, 1, 1]
    for path in tmp_path.glob("m/requests/date=*/hour=*/*.parquet"):
        [record] = pq.ParquetFile(path).read().to_pylist()
        assert path.parent.name == f"hour={record['time']:%H}"
        assert path.parent.parent.name == f"date={record['time']:%Y-%m-%d}"


def test_a_full_file_is_closed_and_the_next_one_begun(tmp_path):
    writer = make(tmp_path, max_file_mb=0.002, max_mb=1)
    for _ in range(4):  # of 2 to 3 kB each, with the schema
        writer.add([exchange()])
        writer.flush()
    assert sum(map(len, closed(tmp_path))) >= 2
    writer.close()
    assert sum(map(len, closed(tmp_path))) == 4


def test_the_oldest_files_go_when_a_new_one_does_not_fit(tmp_path):
    first = make(tmp_path)
    first.add([exchange(hours_ago=9, request_id="r0")])
    first.close()
    [path] = tmp_path.glob("m/requests/*/*/*.parquet")
    max_mb = 1.5 * path.stat().st_size / 1e6  # two files do not fit
    writer = make(tmp_path, max_mb=max_mb, max_file_mb=max_mb / 4)
    writer.add([exchange(hours_ago=8, request_id="r1")])
    writer.flush()
    assert [record["request_id"] for file in closed(tmp_path) for record in file] == ["r1"]


def test_a_version_that_is_loaded_again_with_other_columns_gets_files_of_its_own(tmp_path, writer):
    writer.add([exchange(A)])
    writer.add([exchange(AB)])
    writer.close()
    columns = sorted("b" in file[0] for file in closed(tmp_path))
    assert columns == [False, True]


def test_a_request_that_cannot_be_converted_costs_no_other_one(tmp_path, writer):
    odd = exchange(outputs={"probability:0": np.zeros(2), "decision:0": np.zeros(3)})
    assert writer.add([exchange(), odd, exchange()]) == {("m", "unreadable"): 1}
    assert writer.flush() == {("m", "OK"): 2}


def test_an_input_with_a_default_value_may_be_one_value_for_all_rows(tmp_path, writer):
    feeds = {"a:0": np.array([1.0, 2.0], np.float32), "b:0": np.array(5.0, np.float32)}
    outputs = {"probability:0": np.array([0.1, 0.9]), "decision:0": np.array([0, 1])}
    writer.add([exchange(AB, feeds=feeds, outputs=outputs)])
    writer.close()
    [records] = closed(tmp_path)
    assert [(r["row"], r["a"], r["b"], r["decision"]) for r in records] == [
        (0, 1.0, 5.0, 0),
        (1, 2.0, 5.0, 1),
    ]


def test_an_output_that_was_not_asked_for_is_null(tmp_path, writer):
    writer.add([exchange(outputs={"probability:0": np.array([0.25])})])
    writer.close()
    [[record]] = closed(tmp_path)
    assert (record["probability"], record["decision"]) == (0.25, None)


@pytest.mark.parametrize(
    ("model", "folder"), [("pumps", "pumps"), ("..", "%2E."), ("a/b", "a%2Fb"), (".x", "%2Ex")]
)
def test_the_folder_of_a_model_is_always_below_that_of_all(model, folder):
    assert folder_name(model) == folder


def test_a_whole_recording_is_counted_and_not_recorded(tmp_path, writer):
    of_windows = {"probability:0": np.array([[0.7]], np.float32), "decision:0": np.array([[1]])}
    whole = exchange(signature_name="serving_recording", outputs=of_windows)
    assert writer.add([whole, exchange()]) == {("m", "recording"): 1}
    writer.close()
    assert [len(file) for file in closed(tmp_path)] == [1]
