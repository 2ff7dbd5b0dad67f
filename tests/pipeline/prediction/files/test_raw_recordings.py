from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from common.errors import InputError
from models.features import Categorical, Signal
from pipeline.column_format import ColumnFormat
from pipeline.config import Config, Data, Label
from pipeline.prediction.by_server import predict_by_server
from pipeline.prediction.files.raw_recordings import rows_of
from pipeline.prediction.options import PredictOptions
from pipeline.reading.ingest_spec import IngestSpec, make_ingest_spec
from pipeline.recording_options import Recordings, Window

FILES = Recordings(form="files", labels="labels.csv", id_column="file")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A use case of one signal and the text `machine`."""
    schema = tmp_path / "machines.pbtxt"
    schema.write_text('feature { name: "machine" type: BYTES }\n', encoding="utf-8")
    return Config(
        name="machines",
        folder=tmp_path,
        data=Data(path="raw", recordings=FILES),
        label=Label(column="fault"),
        schema=schema.name,
        features={"x": Signal(num_samples=3, sampling_rate_hz=10.0), "machine": Categorical()},
    )


@pytest.fixture
def spec(config: Config) -> IngestSpec:
    """How its model reads recordings."""
    return make_ingest_spec(config)


def write_recording(path: Path, samples=(0.5, 1.5, 2.5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("machine,x\n" + "".join(f"07,{x}\n" for x in samples), encoding="utf-8")


def test_what_is_text_in_the_schema_is_text_in_each_prediction(spec, config, tmp_path: Path):
    write_recording(tmp_path / "new" / "1.csv")
    with rows_of(str(tmp_path / "new"), spec, config) as rows:
        [row] = pq.read_table(rows.data).to_pylist()
    assert row == {"recording": "1", "x": [0.5, 1.5, 2.5], "machine": "07"}
    assert rows.keys == ("recording",)


@pytest.mark.parametrize("output", ["new/1.csv", "labels.csv"])
def test_recordings_and_their_labels_are_never_replaced_by_predictions(config, tmp_path, output):
    write_recording(tmp_path / "new/1.csv")
    (tmp_path / "labels.csv").write_text("file,fault\n1,0\n", encoding="utf-8")
    before = (tmp_path / output).read_bytes()
    options = PredictOptions(
        data=str(tmp_path / "new"),
        config_path=None,
        output=tmp_path / "output",
        output_file=tmp_path / output,
        server="grpc://127.0.0.1:1",
    )
    with pytest.raises(InputError, match="is the input data itself"):
        predict_by_server(options, config, Console())
    assert (tmp_path / output).read_bytes() == before


def test_windows_of_predictions_are_not_cut_into_stretches(spec, config, tmp_path: Path):
    write_recording(tmp_path / "new" / "1.csv", samples=[float(x % 7) for x in range(24)])
    window = Window(num_samples=4, num_stretches=3)
    streams = replace(spec, recordings=Recordings(form="stream", window=window))
    with rows_of(str(tmp_path / "new"), streams, config) as rows:
        starts = pq.read_table(rows.data)["window_start"].to_pylist()
    assert starts == [0, 4, 8, 12, 16, 20]
    assert rows.keys == ("recording", "window_start", "window_end")


def test_rows_that_a_client_could_send_are_taken_as_they_are(spec, config, tmp_path: Path):
    data = tmp_path / "rows.jsonl"
    data.write_text('{"x": [1, 2, 3], "machine": "07"}\n', encoding="utf-8")
    with rows_of(str(data), spec, config) as rows:
        assert (rows.data, rows.keys) == (str(data), ())


def test_recordings_that_are_all_bad_are_refused_with_the_reason(spec, config, tmp_path: Path):
    write_recording(tmp_path / "new" / "1.csv", samples=("a", "b", "c"))
    with pytest.raises(InputError, match="column `x`"), rows_of(str(tmp_path), spec, config):
        pass


@pytest.mark.parametrize(
    ("step_s", "note"), [(0.1, ()), (0.05, ("1 of 1 rows were not sampled at 10 Hz",))]
)
def test_windows_of_another_rate_than_that_of_training_are_noted(
    spec, config, tmp_path: Path, step_s: float, note: tuple[str, ...]
):
    path = tmp_path / "new" / "1.csv"
    path.parent.mkdir()
    path.write_text("t,x\n" + "".join(f"{place * step_s},{place}\n" for place in range(4)))
    stream = Recordings(form="stream", time_column="t", window=Window(num_samples=4))
    of_windows = replace(spec, recordings=stream, rates={})
    with rows_of(str(path), of_windows, config) as rows:
        assert [text.partition(", the")[0] for text in rows.notes] == list(note)


@pytest.fixture
def new(tmp_path: Path) -> str:
    """Two recordings without context, beside the table of labels of training."""
    (tmp_path / "labels.csv").write_text("file,fault,machine\n1.csv,no,01\n", encoding="utf-8")
    for name in ("1", "2"):
        path = tmp_path / "new" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n0.5\n1.5\n2.5\n", encoding="utf-8")
    return str(tmp_path / "new")


def write_labels(folder: Path, text: str) -> Path:
    path = folder / "machines.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text", ["file,machine\n1.csv,07\n2.csv,08", "file,fault,machine\n1.csv,?,07\n2.csv,,08"]
)
def test_context_comes_from_another_table_without_a_label(spec, config, new, tmp_path, text):
    labels = write_labels(tmp_path, text)
    spec = replace(spec, columns={"fault": ColumnFormat(type="number")})
    with rows_of(new, spec, config, labels=labels) as rows:
        machines = pq.read_table(rows.data)["machine"].to_pylist()
    assert machines == ["07", "08"]
    assert rows.notes == ()


def test_recordings_without_context_are_counted(spec, config, new, tmp_path):
    labels = write_labels(tmp_path, "file,machine\n2.csv,08\n")
    with rows_of(new, spec, config, labels=labels) as rows:
        machines = pq.read_table(rows.data)["machine"].to_pylist()
    assert machines == [None, "08"]
    assert rows.notes == (f"no row in {labels} for 1 recording: the context is missing",)


def test_a_table_that_names_no_recording_is_refused(spec, config, new, tmp_path):
    labels = write_labels(tmp_path, "file,machine\n9.csv,08\n")
    with (
        pytest.raises(InputError, match="its column `file` names none of the recordings"),
        rows_of(new, spec, config, labels=labels),
    ):
        pass


def test_recordings_of_one_file_name_are_counted_each(spec, config, tmp_path):
    for name in ("a/7.csv", "b/7.csv", "b/8.csv"):
        write_recording(tmp_path / "new" / name)
    labels = write_labels(tmp_path, "file,machine\n8.csv,08\n")
    with rows_of(str(tmp_path / "new"), spec, config, labels=labels) as rows:
        pass
    assert f"no row in {labels} for 2 recordings: the context is missing" in rows.notes


def test_a_bad_recording_does_not_hide_a_table_that_names_none(spec, config, new, tmp_path):
    (Path(new) / "3.csv").write_text("x\n", encoding="utf-8")
    labels = write_labels(tmp_path, "file,machine\n9.csv,08\n")
    with (
        pytest.raises(InputError, match="its column `file` names none of the recordings"),
        rows_of(new, replace(spec, max_bad_rows=1), config, labels=labels),
    ):
        pass


def test_a_table_that_the_model_cannot_use_is_refused(spec, config, new, tmp_path):
    labels = write_labels(tmp_path, "file,machine\n1.csv,08\n")
    by_folder = replace(spec, recordings=Recordings(form="files", label_from="folder"))
    refused = {
        "was trained without data.recordings.labels": (by_folder, labels),
        "has one row for each example": (replace(spec, recordings=None), labels),
        "absent.csv is not a file": (spec, tmp_path / "absent.csv"),
    }
    for message, (own, path) in refused.items():
        with pytest.raises(InputError, match=message), rows_of(new, own, config, labels=path):
            pass
