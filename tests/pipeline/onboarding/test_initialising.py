from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import InputError
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.onboarding import initialise, initialising, make_decisions, print_report
from pipeline.reading.columns import form_of
from pipeline.reading.contract import read_column
from pipeline.reading.ingest_spec import make_ingest_spec
from tests.pipeline.spreadsheets import write_sheet

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def init(project: Path, data: Path | str, **options: object) -> Config:
    arguments: dict[str, Any] = {
        "label": "label",
        "positive": None,
        "name": None,
        "force": False,
    } | options
    report = initialise(str(data), project_dir=project, **arguments)
    return load_config(report.config_path)


def schema_of(config: Config) -> dict[str, schema_pb2.Feature]:
    assert config.schema_path is not None
    schema = text_format.Parse(config.schema_path.read_text("utf-8"), schema_pb2.Schema())
    return {feature.name: feature for feature in schema.feature}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    num_rows = 400
    frame = pd.DataFrame(
        {
            "a: [K] #1": rng.normal(size=num_rows).round(3),
            "true": rng.choice(["yes", 'quo"te', "naïve\\"], num_rows),
            "sparse": np.where(rng.random(num_rows) < 0.5, np.nan, rng.integers(0, 900, num_rows)),
            "id": [f"R{n}" for n in range(num_rows)],
            "label": np.where(np.arange(num_rows) % 8, "ok", "bad: 1"),
        }
    )
    path = tmp_path / "My Pump-data.v2.csv"
    frame.to_csv(path, index=False)
    return path


def test_config_and_schema_are_written_and_load_without_an_edit(tmp_path, data):
    config = init(tmp_path, data)
    assert config.name == "my_pump_data"
    assert (config.folder / config.data.path).resolve() == data
    assert config.label.positive == "bad: 1"
    assert list(config.features) == ["a: [K] #1", "true", "sparse"]
    assert config.schema_path == tmp_path / "schema" / "my_pump_data.pbtxt"


def test_the_yaml_says_why(tmp_path, data):
    init(tmp_path, data)
    text = (tmp_path / "configs" / "my_pump_data.yaml").read_text("utf-8")
    assert "# 400 rows in 1 file, 5 columns; 50 rows positive (12 %)." in text
    assert "# - id: an identifier: 100 % of its texts are unique." in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_schema_has_every_column_of_the_examples(tmp_path, data):
    features = schema_of(init(tmp_path, data))
    assert set(features) == {"a: [K] #1", "true", "sparse", "id", "label"}
    number, text, sparse = (features[name] for name in ("a: [K] #1", "true", "sparse"))
    assert (number.type, number.presence.min_fraction) == (schema_pb2.FLOAT, 1.0)
    assert number.shape.dim[0].size == 1
    assert text.type == schema_pb2.BYTES
    assert text.domain == "true"
    assert 0.9 < text.distribution_constraints.min_domain_mass < 1
    assert sparse.value_count.max == 1
    assert 0.1 < sparse.presence.min_fraction < 0.5  # half of the half that is there now
    assert not features["id"].HasField("presence")
    assert list(features["label"].not_in_environment) == ["SERVING"]
    assert (features["label"].int_domain.min, features["label"].int_domain.max) == (0, 1)


def test_signals_and_times_have_the_types_of_ingestion(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2024-01-01", periods=200, freq="h"),
            "v": list(rng.normal(size=(200, 16)).astype(np.float32)),
            "flag": rng.random(200) < 0.5,
            "label": np.arange(200) % 5 == 0,
        }
    )
    frame.to_parquet(tmp_path / "r.parquet")
    features = schema_of(init(tmp_path, tmp_path / "r.parquet"))
    assert features["at"].type == schema_pb2.INT
    assert features["flag"].type == schema_pb2.BYTES
    assert features["v"].type == schema_pb2.FLOAT
    assert features["v"].shape.dim[0].size == 16


def test_a_wide_signal_stands_in_the_schema_for_its_columns(tmp_path):
    rng = np.random.default_rng(0)
    wide = {f"t{n:02d}": np.sin(n / 5) + 0.01 * rng.normal(size=100) for n in range(16)}
    frame = pd.DataFrame(wide | {"label": np.arange(100) % 5 == 0})
    frame.to_csv(tmp_path / "w.csv", index=False)
    features = schema_of(init(tmp_path, tmp_path / "w.csv"))
    assert set(features) == {"t", "label"}


def test_the_parts_of_a_folder_are_read_together(tmp_path, data):
    folder = tmp_path / "parts"
    folder.mkdir()
    frame = pd.read_csv(data)
    frame[:200].to_csv(folder / "1.csv.gz", index=False)
    frame[200:].to_csv(folder / "2.csv.gz", index=False)
    assert init(tmp_path, folder).name == "parts"
    assert init(tmp_path, folder / "*.csv.gz", name="other").data.path == "../parts/*.csv.gz"


def test_existing_files_are_kept_without_force(tmp_path, data):
    init(tmp_path, data)
    config = tmp_path / "configs" / "my_pump_data.yaml"
    config.write_text("mine")
    with pytest.raises(InputError, match=r"already exist. Choose another name with --name"):
        init(tmp_path, data)
    with pytest.raises(InputError, match="no_such_label"):  # before the files are looked at
        init(tmp_path, data, label="no_such_label")
    assert config.read_text() == "mine"
    assert init(tmp_path, data, force=True).name == "my_pump_data"


def test_nothing_is_left_where_one_file_cannot_be_written(tmp_path, data):
    (tmp_path / "configs").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="Cannot write"):
        init(tmp_path, data)
    assert list((tmp_path / "schema").iterdir()) == []


def test_with_force_a_failure_brings_the_old_files_back(tmp_path, data, monkeypatch):
    init(tmp_path, data)
    schema = tmp_path / "schema" / "my_pump_data.pbtxt"
    schema.write_text("# old")
    replace = Path.replace

    def fail_on_yaml(self, target):
        if Path(target).suffix == ".yaml":
            raise PermissionError(13, "Permission denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(initialising.Path, "replace", fail_on_yaml)
    with pytest.raises(InputError, match="Permission denied"):
        init(tmp_path, data, force=True)
    assert schema.read_text() == "# old"
    assert [path.name for path in schema.parent.iterdir()] == ["my_pump_data.pbtxt"]


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        ("no.csv", None, {}, "No data found at"),
        ("r-{DATE}.csv", None, {}, "Give `init` all files, such as '"),
        ("r-{SPAN:3}.csv", None, {}, "has the placeholder {SPAN:3}, which only `data.path`"),
        ("r-{DATE}.csv", None, {}, "/r-*.csv'. Then write {DATE} into `data.path`"),
        ("d.csv", "", {}, "is empty"),
        ("d.csv", "a,label\n", {}, "has no rows below its header"),
        ("d.csv", "a,lable\n1,0\n", {}, "Did you mean `lable`?"),
        ("d.csv", "a,label\n" + "1,0\n" * 30, {}, "has only one value"),
        ("d.csv", "a,label\n1,0\n", {"name": "Big Name"}, "--name 'Big Name' must start"),
        ("d.csv", "a,label\n" + "1,0\n2,1\n" * 20 + "3\n" * 5, {}, "a different number of fields"),
        ("d.parquet", "PAR1 but cut", {}, "not a readable Parquet file"),
    ],
)
def test_bad_input_is_named(tmp_path, name, text, options, expected):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        init(tmp_path, tmp_path / name, **options)
    assert expected in str(error.value)
    assert not (tmp_path / "configs").exists()


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["2026-10-18", "2026-10-19"], "../parts/r-{DATE}.csv"),
        (["20261018", "20261019"], "../parts/r-{YYYY}{MM}{DD}.csv"),
        (["2026-10-18"], ""),  # a single day
        (["2026-13-18", "2026-13-19"], ""),  # no dates
        (["2026-10-18", "2026-10-19-b"], ""),
    ],
)
def test_files_named_by_date_lead_to_a_hint_about_spans(tmp_path, data, capsys, names, pattern):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in names:
        (folder / f"r-{name}.csv").write_bytes(data.read_bytes())
    report = initialise(
        str(folder), label="label", positive=None, name="p", project_dir=tmp_path, force=False
    )
    print_report(report)
    hint = f"set data.path: {pattern} and data.window: {len(names)} in the config"
    printed = capsys.readouterr().out
    assert report.dated_path == pattern
    assert (hint in printed) == bool(pattern)
    assert ("named by date" in printed) == bool(pattern)


def test_where_rows_are_split_by_group_there_is_no_hint_about_spans(tmp_path, data, capsys):
    folder = tmp_path / "parts"
    folder.mkdir()
    frame = pd.read_csv(data).assign(machine=[f"M{n // 20}" for n in range(400)])
    for day in ("2026-10-18", "2026-10-19"):
        frame.to_csv(folder / f"r-{day}.csv", index=False)
    report = initialise(
        str(folder),
        label="label",
        positive=None,
        name="p",
        project_dir=tmp_path,
        force=False,
        decisions=make_decisions(group=["machine"]),
    )
    print_report(report)
    assert report.proposal.split.split.strategy == "group"
    assert "named by date" not in capsys.readouterr().out


def test_the_encoding_of_a_file_that_is_not_utf8_is_proposed(tmp_path):
    path = tmp_path / "latin.csv"
    rows = [f"{n % 9}.5,text {n % 4},{n % 2}".encode() for n in range(100)]
    path.write_bytes(b"\n".join([b"a,b,label", *rows, *[b"1.5,caf\xe9,0"] * 10]) + b"\n")
    config = init(tmp_path, path)
    assert config.data.encoding == "cp1252"
    assert config.data.max_bad_rows == 0


def test_the_report_names_decisions_and_the_next_command(tmp_path, data, capsys):
    report = initialise(
        str(data), label="label", positive=None, name="p", project_dir=tmp_path, force=False
    )
    print_report(report)
    shown = capsys.readouterr().out
    assert "`label` = bad: 1 in 50 rows (12 %)" in shown
    assert "id: an identifier" in shown
    assert f"faultline run --config {tmp_path / 'configs' / 'p.yaml'}" in shown
    spaced = replace(report, config_path=Path("my configs") / "p.yaml")
    print_report(spaced)
    assert "faultline run --config 'my configs/p.yaml'\n" in capsys.readouterr().out


def test_ai4i2020_leaves_its_identifiers_out(tmp_path):
    path = SHARED / "ai4i2020" / "ai4i2020.csv"
    if not path.exists():
        pytest.skip(f"the data set ai4i2020 is not at {path}")
    config = init(tmp_path, path)
    assert set(config.features) == {
        "Type",
        "Air temperature [K]",
        "Process temperature [K]",
        "Rotational speed [rpm]",
        "Torque [Nm]",
        "Tool wear [min]",
    }
    assert config.label.positive == 1
    assert config.split.strategy == "stratified"


@pytest.mark.e2e  # seconds: 2,205 rows of 600 samples
def test_hydraulic_wide_is_one_signal_and_split_by_blocks(tmp_path):
    path = SHARED / "hydraulic_wide" / "hydraulic_FS1_valve.csv"
    if not path.exists():
        pytest.skip(f"the data set hydraulic_wide is not at {path}")
    config = init(tmp_path, path, name="rig")
    assert [(n, f.num_samples) for n, f in config.features.items()] == [("t", 600)]
    # 36 runs of 10 positives; blocks of 110 rows, a twentieth of all, are too few.
    assert (config.split.strategy, config.split.block_rows) == ("blocks", 55)
    assert (
        "The rows form 73 runs of equal labels" in (tmp_path / "configs" / "rig.yaml").read_text()
    )


def _write_wells(folder: Path) -> Path:
    """400 rows; 60 with a cracked bearing, and a flag of the seal beside the label."""
    rng = np.random.default_rng(0)
    state = np.array(["fine"] * 300 + ["worn"] * 40 + ["cracked"] * 60)
    frame = pd.DataFrame(
        {
            "pressure": rng.normal(size=400).round(4),
            "mode": rng.choice(["a", "b"], 400),
            "failed_seal": rng.integers(0, 2, 400),
            "failed_bearing": state,
        }
    )
    frame.sample(frac=1, random_state=0).to_csv(folder / "wells.csv", index=False)
    return folder / "wells.csv"


@pytest.fixture(scope="module")
def wells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a use case that `init` proposed; no test changes its files."""
    folder = tmp_path_factory.mktemp("wells")
    initialise(
        str(_write_wells(folder)),
        label="failed_bearing",
        positive="cracked",
        name=None,
        project_dir=folder,
        force=False,
    )
    return folder


def _config_text(folder: Path) -> str:
    return (folder / "configs" / "wells.yaml").read_text("utf-8")


def test_a_sibling_of_the_label_is_left_out_and_asked_about(wells):
    text = _config_text(wells)
    words = " ".join(text.replace("#", " ").split())
    assert "Note: Is `failed_seal` known before the fault?" in words
    assert "\n  # failed_seal: {kind: numeric}\n" in text
    config = load_config(wells / "configs" / "wells.yaml")
    assert list(config.features) == ["pressure", "mode"]


def test_rows_with_another_fault_that_count_as_healthy_are_said(wells):
    frame = pd.read_csv(wells / "wells.csv")
    number = int((frame.failed_seal[frame.failed_bearing != "cracked"] == 1).sum())
    [label, _] = _config_text(wells).split("\ndata:")
    words = " ".join(label.replace("#", " ").split())
    assert f"{number} rows with `failed_seal` set count as healthy." in words


def test_a_flag_without_other_faults_is_not_mentioned(tmp_path):
    _write_wells(tmp_path)
    frame = pd.read_csv(tmp_path / "wells.csv")
    frame.loc[frame.failed_bearing != "cracked", "failed_seal"] = 0
    frame.to_csv(tmp_path / "wells.csv", index=False)
    init(tmp_path, tmp_path / "wells.csv", label="failed_bearing", positive="cracked")
    assert "count as healthy" not in _config_text(tmp_path)


def test_the_costs_are_called_an_example_with_figures_of_this_data(wells):
    words = " ".join(_config_text(wells).replace("#", " ").split())
    # 60 faults in 400 rows: 150 of 1,000 at 1,000 EUR; 1,000 inspections at 10 EUR and 850 false
    # alarms at 50 EUR; the threshold is (50 + 10) / (50 + 1000).
    assert "The costs below are an example and have no effect" in words
    assert "1,000 rows like these cost 150,000 EUR without any alarm" in words
    assert "and 52,500 EUR with an alarm for every row" in words
    assert "from a probability of 0.057 on" in words


def test_the_schema_has_the_range_of_a_number_with_room_for_new_extremes(wells):
    pressure = pd.read_csv(wells / "wells.csv").pressure
    entry = schema_of(load_config(wells / "configs" / "wells.yaml"))["pressure"]
    span = pressure.max() - pressure.min()
    assert entry.float_domain.min == pytest.approx(pressure.min() - span, rel=1e-5)
    assert entry.float_domain.max == pytest.approx(pressure.max() + span, rel=1e-5)
    assert list(entry.annotation.tag) == ["observed range"]


def test_other_values_of_the_label_are_named_as_healthy(wells):
    words = " ".join(_config_text(wells).replace("#", " ").split())
    assert "Healthy are `fine`, `worn`." in words or "Healthy are `worn`, `fine`." in words


def test_the_yaml_says_what_recall_the_test_split_can_show(wells):
    text = _config_text(wells)
    words = " ".join(text.replace("#", " ").split())
    # A tenth of 60 faults: 0.025^(1/6) = 0.541.
    assert "The test split will have about 6 faults" in words
    assert "only a recall above 0.54 is shown with 95 % confidence" in words
    uncommented = text.replace("# gate:", "gate:").replace("#   bars:", "  bars:")
    path = wells / "configs" / "uncommented.yaml"
    path.write_text(uncommented.replace("# cost:", "cost:"), "utf-8")
    config = load_config(path)
    assert config.gate.bars.given == {"recall": 0.5}
    assert config.cost is not None


def test_the_schema_has_no_comparator_of_fixed_size(wells):
    assert "comparator" not in (wells / "schema" / "wells.pbtxt").read_text("utf-8")


def _with_column(folder: Path, cells: list[Any]) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=len(cells)).round(3), "y": cells})
    frame["label"] = [int(n % 8 == 0) for n in range(len(cells))]
    path = folder / "data.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "fill",
    ["1e20", "9.96921E+36", "9.969209968386869e+36", "2147483647", "-2147483648", "32767",
     "-999.25", "65535"],
)  # fmt: skip
def test_fill_values_of_loggers_are_missing(tmp_path, fill):
    cells = [fill if n % 20 == 0 else round(40 + n * 0.37 % 9, 2) for n in range(300)]
    config = init(tmp_path, _with_column(tmp_path, cells))
    marks = config.data.columns["y"].missing or ()
    assert float(fill) in [float(mark) for mark in marks if mark.lstrip("-")[:1].isdigit()]


def test_per_cent_beside_bare_numbers_is_refused(tmp_path):
    cells = [f"{n / 4} %" if n % 2 else n / 400 for n in range(300)]
    with pytest.raises(InputError, match="some numbers have a per cent sign and some, such as"):
        init(tmp_path, _with_column(tmp_path, cells))


def test_epoch_times_in_several_units_are_refused(tmp_path):
    cells = [(1_704_258_000 + 3_600 * n) * (1 if n % 3 else 1_000) for n in range(300)]
    with pytest.raises(InputError, match="200 rows in seconds and 100 rows in milliseconds"):
        init(tmp_path, _with_column(tmp_path, cells))


def test_lines_above_the_header_are_skipped_or_named(tmp_path):
    path = _with_column(tmp_path, list(range(300)))
    table = path.read_text()
    path.write_text(f"Pump 7\nexported;2024\n\n{table}")
    assert init(tmp_path, path).data.skip_rows == 3
    # A table that begins with a column of texts cannot be told from lines about it.
    rows = [f"{'name' if not place else 'pump'},{row}" for place, row in enumerate(table.split())]
    path.write_text("\n".join(["Pump 7", "exported;2024", "", *rows]))
    with pytest.raises(InputError, match="Line 4 has it: if that is the header, delete the lines"):
        init(tmp_path, path)


def test_a_delimiter_at_the_end_of_each_row_but_the_header_is_named(tmp_path):
    path = _with_column(tmp_path, list(range(300)))
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"{row}," for row in rows)]))
    with pytest.raises(InputError, match="300 rows of 300 have a different number of fields"):
        init(tmp_path, path)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_file_without_a_header_and_with_texts_is_told_of_the_option(tmp_path, suffix):
    frame = pd.DataFrame({"x": [4.02, 4.11] * 50, "maker": ["a", "b"] * 50, "label": [0, 1] * 50})
    path = tmp_path / f"data.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False, header=False)
    else:
        write_sheet(path, *frame.to_numpy().tolist())
    with pytest.raises(InputError, match=r"Its first line may be data: .* with --header NAME"):
        init(tmp_path, path)


def test_a_wrong_label_is_no_hint_that_the_header_is_missing(tmp_path):
    with pytest.raises(InputError) as error:
        init(tmp_path, _with_column(tmp_path, list(range(300))), label="broken")
    assert "--header" not in str(error.value)


def _readings(num_rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    pressure, temperature = rng.normal(size=(2, num_rows))
    frame = pd.DataFrame({"pressure": (4 + pressure / 2).round(3), "temperature": temperature})
    return frame.assign(label=(pressure + temperature > 1.8).astype(int))


def test_hashes_of_64_bits_without_a_sign_are_identifiers_and_read_exactly(tmp_path):
    frame = _readings()
    frame.insert(0, "hash", np.uint64(2**63) + np.uint64(977) * np.arange(600, dtype=np.uint64))
    frame.to_parquet(tmp_path / "r.parquet")
    config = init(tmp_path, tmp_path / "r.parquet")
    assert set(config.features) == {"pressure", "temperature"}
    assert "# - hash: an identifier" in (tmp_path / "configs" / "r.yaml").read_text("utf-8")


def test_one_unreadable_date_is_a_bad_row_and_the_split_is_by_time(tmp_path):
    frame = _readings(1_200)
    frame["when"] = pd.date_range("2024-01-01", periods=1_200, freq="5h").astype(str)
    frame.loc[777, "when"] = "0000-00-00 00:00:00"
    frame.to_csv(tmp_path / "r.csv", index=False)
    config = init(tmp_path, tmp_path / "r.csv")
    assert (config.split.strategy, config.split.column) == ("time", "when")
    marks = config.data.columns["when"].missing or ()
    assert config.data.max_bad_rows == 1 or "0000-00-00 00:00:00" in marks


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_machines_with_ids_of_19_digits_are_groups(tmp_path, kind):
    frame = _readings(1_200)
    frame["device_id"] = 1_582_218_195_625_938_945 + np.arange(1_200) % 40
    path = tmp_path / f"r.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    config = init(tmp_path, path)
    assert (config.split.strategy, config.split.column) == ("group", "device_id")


def test_values_that_do_not_fit_a_column_that_is_left_out_are_no_bad_rows(tmp_path):
    frame = _readings()
    frame["tag"] = [bytes([0xFF, 0xFE, *divmod(n, 256)]) for n in range(600)]
    frame.to_parquet(tmp_path / "r.parquet")
    config = init(tmp_path, tmp_path / "r.parquet")
    assert config.data.max_bad_rows == 0
    text = (tmp_path / "configs" / "r.yaml").read_text("utf-8")
    assert "# - tag: bytes that are not UTF-8 text." in text


@pytest.mark.parametrize("mark", ["<NA>", "#N/A", "(null)", r"\N"])
def test_marks_that_programs_write_are_missing_in_truth_values_and_in_texts(tmp_path, mark):
    frame = _readings()
    rng = np.random.default_rng(2)
    frame["door"] = rng.choice(["True", "False"], 600)
    frame["maker"] = rng.choice(["Acme", "Bolt"], 600)
    frame.loc[::9, ["door", "maker"]] = mark
    frame.to_csv(tmp_path / "r.csv", index=False)
    config = init(tmp_path, tmp_path / "r.csv")
    assert config.data.columns["door"].type == "truth"
    [domain] = [f for f in schema_of(config).values() if f.name == "maker"]
    assert domain.presence.min_fraction < 1
    text = (tmp_path / "schema" / "r.pbtxt").read_text("utf-8")
    assert f'value: "{mark}"' not in text.replace("\\\\", "\\")


def test_a_clock_with_a_decimal_comma_orders_the_rows(tmp_path):
    frame = _readings()
    rows = [f"{3.5 * n:.1f};{p:.3f};{t:.3f};{y}".replace(".", ",")
            for n, (p, t, y) in enumerate(frame.itertuples(index=False))]  # fmt: skip
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["time_s;pressure;temperature;label", *rows]) + "\n")
    config = init(tmp_path, path)
    assert (config.split.strategy, config.split.column) == ("time", "time_s")
    columns = pa.array([b"0,0", b"3,5", b"3.5"])
    form = form_of("time_s", "time", make_ingest_spec(config))
    read, bad = read_column(columns, form, default_marks=())
    assert read.to_pylist() == [0, 3_500_000, None]
    assert bad.tolist() == [False, False, True]


def test_repeated_coarse_readings_are_kept_and_said(tmp_path, capsys):
    frame = _readings(1_500).round({"pressure": 1, "temperature": 0})
    frame.to_csv(tmp_path / "r.csv", index=False)
    report = initialise(
        str(tmp_path / "r.csv"), label="label", positive=None, name=None,
        project_dir=tmp_path, force=False,
    )  # fmt: skip
    print_report(report)
    assert not load_config(report.config_path).data.drop_duplicates
    share = frame.duplicated().mean()
    assert f"({share:.0%}".replace("%", " %") in capsys.readouterr().out


def _two_files(tmp_path, first, second):
    frame = pd.DataFrame({"x": np.arange(300) % 7, "label": [int(n % 10 == 0) for n in range(300)]})
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, columns in (("a.csv", first), ("b.csv", second)):
        frame.assign(**columns).to_csv(folder / name, index=False)
    return folder


@pytest.mark.parametrize(
    ("first", "second"),
    [("oil_temp", "Oil Temp"), ("pressure", "PRESSURE"), ("p [bar]", "p [kPa]"), ("T1", "T_1")],
)
def test_a_name_spelled_differently_in_another_file_is_refused(tmp_path, first, second):
    values = np.random.default_rng(0).normal(size=300)
    folder = _two_files(tmp_path, {first: values}, {second: values})
    with pytest.raises(InputError, match=r"has the column `.*` instead of `.*same unit"):
        init(tmp_path, folder)


def test_two_columns_whose_names_differ_in_case_may_be_missing_in_a_file(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 300))
    folder = _two_files(tmp_path, {"t": values[0], "T": values[1]}, {"T": values[1]})
    assert {"t", "T"} <= init(tmp_path, folder).features.keys()


def test_another_unit_in_the_row_of_units_of_a_later_file_is_refused(tmp_path):
    for name, unit in (("a.csv", "bar"), ("b.csv", "kPa")):
        rows = "".join(f"{n / 7:.2f},{int(n % 10 == 0)}\n" for n in range(200))
        (tmp_path / name).write_text(f"p,label\n{unit},\n{rows}")
    with pytest.raises(InputError, match=r"b\.csv has `p` in kPa, and .*a\.csv in bar"):
        init(tmp_path, str(tmp_path / "*.csv"), name="n")


def test_rows_whose_label_is_unknown_are_in_no_split(tmp_path):
    rng = np.random.default_rng(0)
    label = np.array(["No"] * 300 + ["Yes"] * 40 + ["unknown"] * 25)
    path = tmp_path / "patients.csv"
    pd.DataFrame({"x": rng.normal(size=365).round(3), "label": label}).to_csv(path, index=False)
    report = initialise(
        str(path), project_dir=tmp_path, label="label", positive=None, name=None, force=False
    )
    assert (report.proposal.choice.num_positive, report.proposal.choice.num_negative) == (40, 300)
    assert report.proposal.table.num_unlabelled == 25
    config = load_config(report.config_path)
    assert set(config.label.values) == {"No", "Yes"}
    assert make_ingest_spec(config).label_marks[-1] == "unknown"


def test_every_value_that_counts_as_healthy_is_named(tmp_path, capsys):
    path = tmp_path / "visits.csv"
    label = ["NO"] * 200 + [">30"] * 100 + ["<30"] * 40
    pd.DataFrame({"x": np.arange(340) % 17 / 7, "label": label}).to_csv(path, index=False)
    report = initialise(
        str(path), project_dir=tmp_path, label="label", positive="<30", name=None, force=False
    )
    print_report(report)
    assert "Healthy are `NO` (200 rows), `>30` (100 rows)." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("zones", "strategy"), [(("CET", "CEST"), "time"), (("EST", "EDT"), "stratified")]
)
def test_times_with_names_of_zones_split_the_rows_where_the_names_have_one_meaning(
    tmp_path, capsys, zones, strategy
):
    times = pd.date_range("2023-01-01", periods=600, freq="9h")
    names = np.where(times.month.isin(range(4, 10)), zones[1], zones[0])
    path = tmp_path / "log.csv"
    logged = [f"{time:%d.%m.%Y %H:%M} {name}" for time, name in zip(times, names, strict=True)]
    label = (np.random.default_rng(0).random(600) < 0.2).astype(int)
    pd.DataFrame({"logged": logged, "x": np.arange(600) * 7 % 11 / 3, "label": label}).to_csv(
        path, index=False
    )
    report = initialise(
        str(path), project_dir=tmp_path, label="label", positive=None, name=None, force=False
    )
    assert load_config(report.config_path).split.strategy == strategy
    print_report(report)
    said = "the zone `EST` has more than one meaning" in capsys.readouterr().out
    assert said == (strategy != "time")
