"""Labels that arrive late are kept once, with corrections, and checked against the requests."""

from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.delivery import deliver_labels
from production.collection.label_files import LabelSource
from production.collection.labels import (
    add_labels,
    are_positive,
    brought_columns,
    label_history,
    latest_labels,
    make_labels,
    with_label_values,
)
from tests.production.collection.recorded import NOON, batch_of, record, write_closed

CONFIG = """
name: pump
label: {column: failed, positive: ja, values: [ja, nein]}
data:
  path: data/{SPAN}.csv
  columns:
    started: {type: time, format: "%d.%m.%Y %H:%M"}
features:
  pressure: {kind: numeric}
"""


def _latest(folder):
    rows = latest_labels(folder)
    keys = zip(rows["request_id"].to_pylist(), rows["row"].to_pylist(), strict=True)
    return dict(zip(keys, rows["label"].to_pylist(), strict=True))


def test_the_same_labels_are_written_once(tmp_path):
    labels = make_labels(["a", "b"], ["ja", "nein"])
    assert add_labels(tmp_path, labels, source="x.csv").num_new == 2
    again = add_labels(tmp_path, labels, source="x.csv")
    assert (again.num_new, again.num_corrected, again.num_unchanged) == (0, 0, 2)
    assert label_history(tmp_path).num_rows == 2


def test_a_correction_wins_and_the_history_keeps_both(tmp_path):
    add_labels(tmp_path, make_labels(["a", "b"], ["ja", "nein"]), source="x", now=NOON)
    later = NOON + timedelta(days=1)
    added = add_labels(tmp_path, make_labels(["a", "b"], ["nein"] * 2), source="y", now=later)
    assert (added.num_corrected, added.num_unchanged) == (1, 1)
    assert _latest(tmp_path) == {("a", 0): "nein", ("b", 0): "nein"}
    history = label_history(tmp_path).select(["request_id", "label", "time", "source"]).to_pylist()
    assert [tuple(row.values()) for row in history if row["request_id"] == "a"] == [
        ("a", "ja", NOON, "x"),
        ("a", "nein", later, "y"),
    ]


def test_the_latest_label_wins_although_the_clock_was_set_back(tmp_path):
    add_labels(tmp_path, make_labels(["a"], ["ja"]), source="x", now=NOON)
    earlier = NOON - timedelta(hours=1)
    add_labels(tmp_path, make_labels(["a"], ["nein"]), source="y", now=earlier)
    assert _latest(tmp_path) == {("a", 0): "nein"}


def test_rows_of_a_request_have_labels_of_their_own(tmp_path):
    add_labels(tmp_path, make_labels(["a", "a"], ["ja", "nein"], [0, 1]), source="x")
    assert _latest(tmp_path) == {("a", 0): "ja", ("a", 1): "nein"}


@pytest.fixture
def pump(tmp_path):
    """A use case with the recorded requests a, b, c and m, which has two rows."""
    path = tmp_path / "pump.yaml"
    path.write_text(CONFIG)
    folder = OutputFolder(tmp_path / "output")
    rows = [record(name) for name in "abcm"]
    write_closed(folder.collected("pump"), [batch_of([*rows, record("m", row=1)])])
    return load_config(path), folder


def _deliver(pump, data, **columns):
    config, folder = pump
    columns = {"id_column": "request", "label_column": "state"} | columns
    return deliver_labels(config, folder, LabelSource(data=str(data), **columns))


def _file(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_a_file_is_read_in_the_words_of_the_config(pump, tmp_path):
    data = _file(tmp_path, "request;state\na;JA\nb; nein \nc;\nd;true\n")
    delivery = _deliver(pump, data)
    assert (delivery.num_new, delivery.num_without_label) == (3, 1)
    assert (delivery.num_unknown, delivery.unknown) == (1, ("d",))
    labels = latest_labels(pump[1].collected("pump"))
    spec = make_ingest_spec(pump[0])
    positive = are_positive(labels["label"].combine_chunks(), spec)
    # `true` is a spelling of `ja`; d is kept although it is not recorded yet.
    by_id = dict(zip(labels["request_id"].to_pylist(), positive.tolist(), strict=True))
    assert by_id == {"a": True, "b": False, "d": True}


def test_a_kept_label_that_the_config_no_longer_allows_is_named(pump):
    spec = replace(make_ingest_spec(pump[0]), label_values=("ja", "intakt"))
    with pytest.raises(InputError, match=r"kept earlier .*`nein` found, expected .*label.values"):
        are_positive(pa.array(["ja", "nein"]), spec)


def test_a_kept_label_that_the_config_counts_as_missing_is_an_error(pump):
    spec = replace(make_ingest_spec(pump[0]), missing_values=("nein",))
    with pytest.raises(InputError, match=r"kept earlier .*data.missing_values counts it"):
        are_positive(pa.array(["ja", "nein"]), spec)


@pytest.mark.parametrize("text", ["request,state\n", "request,state\na,\nb,\n"])
def test_a_file_without_a_label_changes_nothing(pump, tmp_path, text):
    delivery = _deliver(pump, _file(tmp_path, text))
    assert (delivery.num_new, delivery.num_without_label) == (0, text.count("\n") - 1)
    assert label_history(pump[1].collected("pump")).num_rows == 0


def test_a_parquet_file_without_rows_changes_nothing(pump, tmp_path):
    path = tmp_path / "labels.parquet"
    texts = pa.array([], pa.string())
    pq.write_table(pa.table({"request": texts, "state": texts}), path)
    assert _deliver(pump, path).num_new == 0


def test_parquet_with_numbers_as_ids_is_read(pump, tmp_path):
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"request": [17], "state": ["ja"]}), path)
    _deliver(pump, path)
    assert _latest(pump[1].collected("pump")) == {("17", 0): "ja"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("request,state\na,ja\nb,vielleicht\n", "row 2, column `failed`: `vielleicht` found"),
        ("request,state\n,ja\n", "row 1, column `request`: has no request id"),
        (
            "request,state\na,ja\nb,ja\na,nein\n",
            "rows 1 and 3: request `a` row 0 is `ja` and `nein`",
        ),
        ("request,stat\na,ja\n", "`state` is not in .*; did you mean `stat`"),
        ("request,state\nm,ja\n", "1 request with labels had several rows .`m`."),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_kept(pump, tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        _deliver(pump, _file(tmp_path, text))
    assert label_history(pump[1].collected("pump")).num_rows == 0


def test_the_same_label_twice_in_a_file_is_one(pump, tmp_path):
    delivery = _deliver(pump, _file(tmp_path, "request,state\na,ja\na,ja\n"))
    assert delivery.num_new == 1


def test_a_row_column_says_which_row_is_meant(pump, tmp_path):
    data = _file(tmp_path, "request,state,place\nm,ja,1\nm,nein,0\nm,ja,2\n")
    delivery = _deliver(pump, data, row_column="place")
    assert _latest(pump[1].collected("pump")) == {("m", 0): "nein", ("m", 1): "ja", ("m", 2): "ja"}
    assert delivery.num_unknown == 1  # the request had two rows


@pytest.mark.parametrize("row", ["-1", "0.5", "first"])
def test_a_row_that_is_no_place_is_refused(pump, tmp_path, row):
    data = _file(tmp_path, f"request,state,place\nm,ja,{row}\n")
    with pytest.raises(InputError, match="column `place`: expected a row from 0 on"):
        _deliver(pump, data, row_column="place")


def test_columns_that_requests_lack_come_with_the_labels(pump, tmp_path):
    data = _file(tmp_path, "request,state,started\na,ja,27.11.2026 12:00\n")
    _deliver(pump, data, others=("started",))
    brought = brought_columns(latest_labels(pump[1].collected("pump")))
    assert brought["started"].to_pylist() == [int(NOON.timestamp())]
    # A correction without the column leaves it as it was.
    _deliver(pump, _file(tmp_path, "request,state\na,nein\n"))
    labels = latest_labels(pump[1].collected("pump"))
    assert labels["label"].to_pylist() == ["nein"]
    assert brought_columns(labels)["started"].to_pylist() == [int(NOON.timestamp())]


def test_a_model_whose_requests_are_not_recorded_is_refused(pump, tmp_path):
    config, folder = pump
    source = LabelSource(
        data=str(_file(tmp_path, "request,state\na,ja\n")),
        id_column="request",
        label_column="state",
    )
    with pytest.raises(InputError, match=r"model called pum are recorded .* to pump") as caught:
        deliver_labels(config, folder, source, model="pum")
    assert "`faultline serve --gateway` always records them" in str(caught.value)


class _Files(BaseHTTPRequestHandler):
    def do_GET(self):
        is_there = self.path.startswith("/labels.csv")
        self.send_response(200 if is_there else 404)
        self.end_headers()
        self.wfile.write(b"request,state\na,ja\n" if is_there else b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    server = HTTPServer(("127.0.0.1", 0), _Files)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_labels_are_read_from_a_url_whose_secrets_are_not_kept(pump, web):
    delivery = _deliver(pump, f"{web}/labels.csv?token=hunter22hunter22")
    assert delivery.num_new == 1
    [source] = label_history(pump[1].collected("pump"))["source"].to_pylist()
    assert source.startswith(f"{web}/labels.csv")
    assert "hunter22" not in source


@pytest.mark.parametrize(
    ("name", "words"), [("missing.csv", "answered 404"), ("labels", "does not end in a known")]
)
def test_a_url_without_a_file_of_labels_is_refused(pump, web, name, words):
    with pytest.raises(InputError, match=words):
        _deliver(pump, f"{web}/{name}")


def test_a_label_whose_row_is_named_later_is_corrected(tmp_path):
    add_labels(tmp_path, make_labels(["m"], ["ja"]), source="x")
    added = add_labels(tmp_path, make_labels(["m"], ["ja"], [0]), source="x")
    assert (added.num_corrected, added.num_unchanged) == (1, 0)
    assert latest_labels(tmp_path)["is_row_known"].to_pylist() == [True]
    assert add_labels(tmp_path, make_labels(["m"], ["ja"]), source="x").num_unchanged == 1


@pytest.mark.parametrize(
    ("others", "words"),
    [(("failed",), "--with failed names the label"), (("m", "m"), "--with names m more than once")],
)
def test_columns_that_cannot_come_with_the_labels_are_refused(pump, tmp_path, others, words):
    data = _file(tmp_path, "request,state,failed,m\na,ja,ja,1\n")
    with pytest.raises(InputError, match=words):
        _deliver(pump, data, others=others)


def test_a_damaged_delivery_is_named(tmp_path):
    add_labels(tmp_path, make_labels(["a"], ["ja"]), source="x", now=NOON)
    [path] = (tmp_path / "labels").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=f"{path} cannot be read: .* its labels are then lost"):
        latest_labels(tmp_path)


def test_with_a_negative_label_every_other_one_is_a_fault(pump):
    spec = replace(make_ingest_spec(pump[0]), negative="good", label_values=())
    labels = pa.array(["good", "crack", "hole"])
    assert are_positive(labels, with_label_values(spec)).tolist() == [False, True, True]
