"""Recorded requests with labels become a span that training reads as it reads others."""

import gzip
import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from models.features import Audio
from pipeline.config_loading import load_config
from pipeline.reading.files import sources
from pipeline.reading.files.locations import resolve_source, source_files
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.reading.typing_rows import type_batch
from production.collection.labels import add_labels, make_labels
from production.collection.spans.new_span import write_span
from production.collection.spans.table import training_types
from serving.recording.options import in_sample
from serving.recording.redaction import hash_text
from tests.production.collection.recorded import NOON, Stream, batch_of, record, write_closed

_OTHER_COLUMNS = "recorded without a column that the training data need, or with hashes of it"
FEATURES = {
    "pressure": pa.float32(),
    "valve": pa.int64(),
    "maker": pa.string(),
    "open": pa.string(),
    "started": pa.timestamp("us", tz="UTC"),
    "trace": pa.list_(pa.float32()),
}
CONFIG = """
name: pump
label: {{column: failed, positive: ja, values: [ja, nein]}}
data:
  path: span-{{SPAN}}/*.{suffix}
  window: 2
  columns:
    started: {{type: time, {time}}}
    open: {{type: truth}}
    valve: {{type: code}}
  wide_signals:
    trace: {{first: t0, last: t1}}
  {data}
features:
  pressure: {{kind: numeric}}
  valve: {{kind: categorical}}
  maker: {{kind: categorical}}
  open: {{kind: categorical, truth: true}}
  started: {{kind: time}}
  trace: {{kind: signal, num_samples: 2}}
{more}
"""
HEADER = ["maker", "pressure", "valve", "open", "started", "t0", "t1", "failed"]


def _features(number):
    return {
        "pressure": 0.1 * number,  # 0.3 and others are no float32 numbers
        "valve": number,
        "maker": "Müller, Söhne",
        "open": "true",
        "started": NOON + timedelta(hours=number),
        "trace": [float(number), float("nan")],
    }


def _use_case(folder, *, suffix="parquet", time="format: '%d.%m.%Y %H:%M:%S'", data="", more=""):
    """A use case with one span, and its output folder."""
    path = folder / "pump.yaml"
    path.write_text(CONFIG.format(suffix=suffix, time=time, data=data, more=more))
    first = folder / "span-1" / f"wells.{suffix}"
    first.parent.mkdir()
    if suffix == "parquet":
        pq.write_table(pa.table({name: pa.array([None], pa.string()) for name in HEADER}), first)
    else:
        above = "Pump;7\n\n" if "skip_rows" in data else ""
        text = (above + ";".join(HEADER) + "\n" + ";" * 7 + "\n").encode()
        first.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    return load_config(path), OutputFolder(folder / "output")


def _serve(folder, numbers, *, stem="stable-0", features=FEATURES, **values):
    rows = [record(f"r{n}", **_features(n) | values) for n in numbers]
    write_closed(folder.collected("pump"), [batch_of(rows, features)], stem)


def _label(folder, numbers, label="ja", rows=(0,)):
    ids = [f"r{n}" for n in numbers]
    labels = make_labels(ids, [label] * len(ids), [0] * len(ids) if rows else None)
    return add_labels(folder.collected("pump"), labels, source="test")


def _read(config):
    """What training reads of the latest span."""
    spec = make_ingest_spec(config)
    source = resolve_source(config.data.path, folder=config.folder, data=config.data)
    files = source_files(source)
    pieces = sources.plan_pieces(files, sources.common_format(files), layout=spec.layout)
    [raw] = [raw for piece in pieces for raw in sources.read_piece(piece)]
    typed = type_batch(raw, training_types(raw.batch, spec), spec, path="")
    assert typed.bad_rows == []
    return typed.batch


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        ("parquet", ""),
        ("csv", "decimal: ','"),
        ("csv", "encoding: cp1252"),
        ("csv", "skip_rows: 2"),
        ("csv.gz", ""),
    ],
)
@pytest.mark.parametrize(
    "time",
    [
        "format: '%d.%m.%Y %H:%M:%S', zone: Europe/Berlin",
        "unit: ms",
        "unit: excel",
        "format: ISO8601",
    ],
)
def test_training_reads_what_was_served(tmp_path, suffix, data, time):
    config, folder = _use_case(tmp_path, suffix=suffix, time=time, data=data)
    _serve(folder, [1, 2, 3])
    _label(folder, [1, 2])
    _label(folder, [3], "nein")
    span = write_span(config, folder)
    assert (span.span, span.num_rows, span.num_positive) == ("2", 3, 2)
    assert span.path == str(tmp_path / "span-2" / f"collected.{suffix}")
    rows = _read(config)
    assert rows["pressure"].to_pylist() == np.float32([0.1, 0.2, 0.3]).tolist()
    assert rows["valve"].to_pylist() == [1, 2, 3]
    assert rows["maker"].to_pylist() == ["Müller, Söhne".encode()] * 3
    assert rows["open"].to_pylist() == [b"true"] * 3
    noon = int(NOON.timestamp())
    assert rows["started"].to_pylist() == [noon + 3600 * n for n in (1, 2, 3)]
    assert [trace[0] for trace in rows["trace"].to_pylist()] == [1.0, 2.0, 3.0]
    assert all(np.isnan(trace[1]) for trace in rows["trace"].to_pylist())
    assert rows["failed"].to_pylist() == [1, 1, 0]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_missing_values_stay_missing(tmp_path, suffix):
    config, folder = _use_case(tmp_path, suffix=suffix)
    _serve(folder, [1], **dict.fromkeys(FEATURES))
    _label(folder, [1])
    write_span(config, folder)
    rows = _read(config)
    for name in ("pressure", "valve", "maker", "open", "started"):
        assert rows[name].to_pylist() == [None], name
    assert all(np.isnan(sample) for sample in rows["trace"].to_pylist()[0])


def test_the_columns_have_the_order_of_the_earlier_span(tmp_path):
    config, folder = _use_case(tmp_path, suffix="csv", time="unit: s")
    _serve(folder, [1])
    _label(folder, [1])
    text = (tmp_path / "span-2" / "collected.csv", write_span(config, folder))[0].read_text()
    started = int(NOON.timestamp()) + 3600
    assert text == f"{';'.join(HEADER)}\nMüller, Söhne;0.1;1;true;{started};1.0;;ja\n"


def test_a_row_that_both_arms_answered_is_taken_once(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2])
    _serve(folder, [2, 3], stem="candidate-0", arm="candidate", version=200, answered=False)
    _label(folder, [1, 2, 3])
    assert write_span(config, folder).num_rows == 3
    assert sorted(_read(config)["valve"].to_pylist()) == [1, 2, 3]


def test_rows_are_written_once(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2, 3])
    _label(folder, [1])
    write_span(config, folder)
    with pytest.raises(InputError, match="No row is left for a new span: 1 label in an earlier"):
        write_span(config, folder)
    _label(folder, [2])
    span = write_span(config, folder)
    assert (span.span, span.num_rows, span.left_out) == ("3", 1, {"in an earlier span": 1})
    assert _read(config)["valve"].to_pylist() == [2]


def test_labels_that_cannot_be_used_are_counted_by_reason(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2, 5])
    _serve(folder, [2], stem="stable-1", probability=0.75)  # another request with the id r2
    _serve(folder, [5], stem="stable-2", row=1)
    _serve(folder, [6], stem="stable-3", open="ajar")
    _serve(folder, [7], stem="stable-4", status="UNAVAILABLE")
    _label(folder, [1, 2, 4, 6, 7])
    _label(folder, [5], rows=())
    span = write_span(config, folder)
    assert (span.num_rows, span.left_out) == (
        1,
        {
            "of requests that share an id": 1,
            "not among the recorded requests": 2,
            "without a row number, of requests with several rows": 1,
            "with a value that the config does not allow": 1,
        },
    )


@pytest.mark.parametrize("version", [100, 200])
def test_a_row_whose_id_a_request_with_other_features_has_is_left_out(tmp_path, version):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2, 3])
    # The same probability, but another request: its label would be that of other features.
    other = _features(3) | {"version": version, "seconds": 86_400.0}
    _serve(folder, [2], stem="stable-1", **other)
    _label(folder, [1, 2, 3])
    span = write_span(config, folder)
    assert span.left_out == {"of requests that share an id": 1}
    assert sorted(_read(config)["valve"].to_pylist()) == [1, 3]


def test_a_request_that_a_client_sent_again_is_taken_once(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2])
    whole = FEATURES | {"pressure": pa.float32()}
    _serve(folder, [2], stem="stable-1", features=FEATURES, seconds=5.0)
    _serve(folder, [7], pressure=3.0, stem="stable-2", features=whole)
    _serve(folder, [7], pressure=3, stem="stable-3", features=FEATURES | {"pressure": pa.int64()})
    _label(folder, [1, 2, 7])
    assert write_span(config, folder).num_rows == 3
    assert sorted(_read(config)["valve"].to_pylist()) == [1, 2, 7]


def test_a_stream_in_progress_is_read(tmp_path):
    config, folder = _use_case(tmp_path)
    stream = Stream(folder.collected("pump"), **FEATURES)
    stream.write(record("r0", **_features(0)), record("r1", **_features(1)))
    stream.write(record("r2", **_features(2)), record("r3", **_features(3)))
    _label(folder, [1, 3])
    assert write_span(config, folder).num_rows == 2
    assert _read(config)["valve"].to_pylist() == [1, 3]


def test_rows_recorded_without_a_needed_column_are_left_out(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1])
    fewer = {name: kind for name, kind in FEATURES.items() if name != "valve"}
    _serve(folder, [2], stem="stable-1", features=fewer)
    _label(folder, [1, 2])
    span = write_span(config, folder)
    assert span.num_rows == 1
    assert span.left_out == {_OTHER_COLUMNS: 1}


def test_rows_whose_columns_were_hashed_when_they_were_recorded_are_left_out(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1])
    hashes = {"pressure": hash_text(b"0.2", b"salt"), "maker": hash_text(b"a", b"salt")}
    kinds = FEATURES | {"pressure": pa.string()}
    _serve(folder, [2], stem="stable-1", features=kinds, **hashes)
    _label(folder, [1, 2])
    span = write_span(config, folder)
    assert (span.num_rows, span.left_out) == (1, {_OTHER_COLUMNS: 1})
    _serve(folder, [3], stem="stable-3", features=kinds, **hashes)
    add_labels(folder.collected("pump"), make_labels(["r3"], ["ja"]), source="test")
    with pytest.raises(InputError, match=f"2 labels {_OTHER_COLUMNS}"):
        write_span(config, folder)


def test_columns_that_are_not_recorded_are_named(tmp_path):
    more = "collection: {redact: {maker: hash}}\nsplit: {strategy: group, column: machine}"
    config, folder = _use_case(tmp_path, data="", more=more.replace("group", "stratified"))
    _serve(folder, [1], features=FEATURES | {"maker": pa.string()})
    _label(folder, [1])
    with pytest.raises(InputError, match=r"`maker`: collection.redact says `hash`"):
        write_span(config, folder)
    assert not (tmp_path / "span-2").exists()


def test_files_of_requests_cannot_become_training_data(tmp_path):
    config, folder = _use_case(tmp_path, data="")
    sound = Audio(sampling_rate_hz=8_000, duration_s=1)
    config = replace(config, features={**config.features, "maker": sound})
    _serve(folder, [1], features=FEATURES | {"maker": pa.string()})
    _label(folder, [1])
    with pytest.raises(InputError, match="`maker`: only hashes of files are recorded"):
        write_span(config, folder)


def test_a_column_of_the_labels_fills_what_requests_lack(tmp_path):
    config, folder = _use_case(tmp_path, more="split: {strategy: time, column: mounted}")
    _serve(folder, [1, 2])
    labels = make_labels(["r1", "r2"], ["ja", "nein"])
    seconds = pa.array([1_000_000_000, 1_100_000_000], pa.int64())
    add_labels(
        folder.collected("pump"), labels.append_column("data.mounted", seconds), source="test"
    )
    assert write_span(config, folder).time_column is None
    assert _read(config)["mounted"].to_pylist() == seconds.to_pylist()


def test_the_time_of_the_split_is_that_of_the_request(tmp_path):
    config, folder = _use_case(tmp_path, more="split: {strategy: time, column: recorded_at}")
    _serve(folder, [1], seconds=90.5)
    _label(folder, [1])
    assert write_span(config, folder).time_column == "recorded_at"
    assert _read(config)["recorded_at"].to_pylist() == [int(NOON.timestamp()) + 90]


def test_the_share_of_labels_is_told_for_alarms_and_others(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2], decision=1)
    _serve(folder, [3, 4, 5], stem="stable-1")
    _label(folder, [1, 2, 3])
    span = write_span(config, folder)
    assert (span.num_alarms, span.num_alarms_labelled) == (2, 2)
    assert (span.num_others, span.num_others_labelled) == (3, 1)


def test_requests_outside_of_the_sample_are_left_out(tmp_path):
    config, folder = _use_case(tmp_path, more="collection: {share: 0.5}")
    numbers = list(range(20))
    _serve(folder, numbers, decision=1)
    _label(folder, numbers)
    drawn = [n for n in numbers if in_sample(f"r{n}", 0.5)]
    assert 0 < len(drawn) < 20
    span = write_span(config, folder)
    assert sorted(_read(config)["valve"].to_pylist()) == drawn
    assert span.num_alarms == len(drawn)


def test_a_model_without_labels_has_no_new_span(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1])
    with pytest.raises(InputError, match="to pump have no labels"):
        write_span(config, folder)


def test_a_kill_between_file_and_list_is_repaired(tmp_path, monkeypatch):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2])
    _label(folder, [1])
    spans = folder.collected("pump") / "spans"
    write_span(config, folder)
    (spans / "2.parquet").rename(spans / "2.pending")  # as if killed after the file appeared
    with pytest.raises(InputError, match="in an earlier span"):
        write_span(config, folder)
    (spans / "2.parquet").rename(spans / "2.pending")
    (tmp_path / "span-2" / "collected.parquet").unlink()  # as if killed before
    assert write_span(config, folder).num_rows == 1


def test_a_damaged_list_of_an_earlier_span_is_named(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1, 2])
    _label(folder, [1])
    write_span(config, folder)
    [entries] = folder.collected("pump").glob("spans/*.parquet")
    entries.write_bytes(b"PAR1 no Parquet PAR1")
    _label(folder, [2])
    with pytest.raises(
        InputError, match=rf"{entries.name} cannot be read: .* no row is taken twice"
    ):
        write_span(config, folder)


def test_rows_in_quarantine_are_left_out_until_they_are_released(tmp_path):
    config, folder = _use_case(tmp_path)
    rows = [record(f"r{n}", seconds=60 * n, **_features(n)) for n in (1, 2, 3)]
    write_closed(folder.collected("pump"), [batch_of(rows, FEATURES)])
    _label(folder, [1, 2, 3])
    since = (NOON + timedelta(minutes=2)).isoformat()
    until = (NOON + timedelta(minutes=3)).isoformat()
    line = {"chunk": 7, "version": 100, "since": since, "until": until, "reasons": ["stuck"]}
    path = folder.monitoring("pump") / "quarantine.jsonl"
    path.parent.mkdir(parents=True)
    # The last line was cut short by a kill: nobody acted on it.
    path.write_text(json.dumps(line) + "\n" + '{"released": 7')
    span = write_span(config, folder)
    assert span.num_rows == 2
    assert span.left_out == {"in quarantine: their data are broken": 1}
    path.write_text(json.dumps(line) + "\n" + '{"released": 7}\n')
    assert write_span(config, folder).num_rows == 1


def test_rows_of_another_version_are_not_in_quarantine(tmp_path):
    config, folder = _use_case(tmp_path)
    _serve(folder, [1])
    _label(folder, [1])
    whole = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    path = folder.monitoring("pump") / "quarantine.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(whole | {"chunk": 7, "version": 200, "reasons": []}) + "\n")
    assert write_span(config, folder).num_rows == 1
