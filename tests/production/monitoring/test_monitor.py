"""The monitor: each chunk once, alarms, labels, acknowledgements, and kills at any point."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.production_options.collection import Collection
from production.collection.labels import add_labels, make_labels
from production.monitoring import monitor as monitor_module
from production.monitoring import state as state_module
from production.monitoring.alarms.alarm import Kind, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.monitor import Monitor, Sources, held
from production.monitoring.reference.reference import MissingReferenceError
from production.monitoring.report import read_reports
from production.monitoring.state import load_state
from production.monitoring.troubles.trouble import Trouble, TroubleKind
from tests.production.collection.recorded import write_closed
from tests.production.monitoring.pump_months import (
    FIRST_DAY,
    MODEL,
    VERSION,
    deliver_day,
    draw_rows,
    pump_config,
    pump_reference,
    records_of,
    write_day,
)

pytestmark = pytest.mark.simulation  # days of a pump, in each test

ROWS = 400


class Pump:
    """A pump in production, its monitor, and a clock."""

    def __init__(self, folder, features=("flow",)) -> None:
        self.config = pump_config(folder, features)
        self.folder = OutputFolder(folder / "output")
        self.collected = self.folder.collected(MODEL)
        self.place = self.folder.monitoring(MODEL)
        self.book = AlarmBook(self.place, now=lambda: self.now)
        self.now, self.day = FIRST_DAY, 0
        self.rng = np.random.default_rng(1)
        self.days = {}
        self.troubles, self.quarantined = {}, []

    def record(self, num_days=1, *, version=VERSION, rows=ROWS, even=False, **changes):
        """Records days; a change is added to a column. An even day has no chance in its flow."""
        for _ in range(num_days):
            drawn = draw_rows(self.rng, rows, prevalence=changes.get("prevalence", 0.05))
            if even:
                places = self.rng.permutation(rows) + 0.5
                drawn["flow"] = special.ndtri(places / rows)
            for name in set(changes) - {"prevalence"}:
                drawn[name] = drawn[name] + changes[name]
            write_day(self.collected, drawn, self.day, version)
            self.days[self.day] = drawn
            self.day += 1
            self.now = FIRST_DAY + timedelta(days=self.day, minutes=10)

    def label(self, *days, rows=ROWS):
        for day in days:
            chosen = {name: values[:rows] for name, values in self.days[day].items()}
            deliver_day(self.collected, chosen, day)

    def sources(self):
        return Sources(
            load_reference=lambda version: pump_reference(self.config, version=version),
            find_troubles=lambda chunk, *_: self.troubles.get(chunk.number, []),
            quarantine=lambda chunk, _: self.quarantined.append(chunk.number),
            now=lambda: self.now,
        )

    def watch(self):
        return Monitor(self.config, self.folder, MODEL, self.sources()).run()

    def alarms(self):
        return [(alarm.kind, alarm.features) for alarm in self.book.open_alarms()]


@pytest.fixture
def pump(tmp_path):
    return Pump(tmp_path)


def test_quiet_days_give_a_report_each_and_no_alarm(tmp_path):
    pump = Pump(tmp_path, ("flow", "pressure", "maker"))
    pump.record(3)
    assert [report.number for report in pump.watch()] == [0, 1, 2]
    assert pump.watch() == []
    assert pump.alarms() == []
    report = read_reports(pump.place)[-1]
    assert report.num_rows == ROWS
    assert set(report.drift["p_values"]) == {
        *("pressure", "flow", "maker", "pressure: missing", "flow: missing", "maker: missing"),
        *("scores", "alarm rate", "joint"),
    }
    # Half of two alarms a year for drift: one in 365.25 days.
    assert report.drift["limit"] == pytest.approx(365.25)
    value, lower, upper = report.estimated["recall"]
    assert lower < value < upper
    assert any("only labels show it" in note for note in report.notes)


def test_drift_raises_one_alarm_that_names_the_feature_and_its_first_day(pump):
    pump.record(4)
    pump.record(3, flow=0.8)
    reports = pump.watch()
    [alarm] = pump.book.open_alarms()
    assert (alarm.kind, alarm.features[0], alarm.version) == (Kind.DRIFT, "flow", VERSION)
    # A p-value that is small by chance the day before may count as the beginning.
    assert FIRST_DAY + timedelta(days=3) <= alarm.since <= FIRST_DAY + timedelta(days=4)
    assert alarm.chunk <= 5
    # No figure of the model depends on the flow.
    assert alarm.severity == Severity.INFO
    assert alarm.loss.lower < 0 < alarm.loss.upper
    assert [r.number for r in reports if r.alarms == [alarm.id]] == list(range(alarm.chunk, 7))


def test_the_estimated_cost_of_drift_makes_it_urgent(pump):
    pump.record(3)
    # Scores near the threshold: far more faults are missed than the gate measured.
    for _ in range(3):
        pump.record(rows=ROWS, probability=0.0)
    rows = draw_rows(pump.rng, ROWS)
    rows["probability"] = np.full(ROWS, 0.25)
    write_day(pump.collected, rows, pump.day)
    pump.day += 1
    pump.now += timedelta(days=1)
    pump.watch()
    by_kind = {alarm.kind: alarm for alarm in pump.book.open_alarms()}
    assert set(by_kind) == {Kind.DRIFT, Kind.ESTIMATED_LOSS}
    loss = by_kind[Kind.ESTIMATED_LOSS].loss
    assert by_kind[Kind.ESTIMATED_LOSS].severity == Severity.CRITICAL
    assert 0 < loss.lower < loss.cost_per_day < loss.upper


def test_an_acknowledged_alarm_starts_the_evidence_again(pump):
    pump.record(4, flow=0.8)
    before = pump.watch()[-1].drift["evidence"]
    [alarm] = pump.book.open_alarms()
    pump.book.acknowledge(alarm.id, "ann", "known")
    pump.record(1)
    assert pump.watch()[-1].drift["evidence"] < 10 < before


def test_an_alarm_is_closed_after_three_quiet_days(pump):
    pump.record(3, flow=0.8)
    pump.watch()
    [alarm] = pump.book.open_alarms()
    pump.record(3, even=True)
    pump.watch()
    assert pump.book.find(alarm.id).why == "no sign of it in 3 chunks in a row"
    assert pump.alarms() == []


def test_a_broken_day_is_quarantined_and_has_no_drift(pump):
    stuck = Trouble(kind=TroubleKind.STUCK, feature="flow", share=0.5, words="`flow` is stuck.")
    pump.troubles[1] = [stuck]
    pump.record(1)
    pump.record(1, flow=9)
    pump.record(1)
    reports = pump.watch()
    assert pump.quarantined == [1]
    assert [report.is_broken for report in reports] == [False, True, False]
    assert reports[1].drift is None
    assert reports[1].estimated is None
    assert pump.alarms() == [(Kind.BROKEN_DATA, ("flow",))]
    # The day after is compared as if there had been no broken day.
    assert reports[2].drift["evidence"] < 10


def test_a_new_version_starts_anew(pump):
    pump.record(3, flow=0.8)
    pump.record(5, version=VERSION + 1)
    reports = pump.watch()
    assert {report.version for report in reports[3:]} == {VERSION + 1}
    assert reports[3].drift["evidence"] < 10
    [state] = [s for s in pump.book.states() if s.alarm.kind == Kind.DRIFT]
    assert state.why == "the version no longer answers"


def test_slow_and_failing_answers_raise_alarms(pump):
    pump.record(5)
    pump.record(2, latency_ms=60)
    pump.watch()
    [alarm] = pump.book.open_alarms()
    assert alarm.kind == Kind.LATENCY
    assert alarm.since == FIRST_DAY + timedelta(days=5)


def test_labels_complete_a_report_and_grade_the_estimate(pump):
    pump.record(4)
    pump.watch()
    pump.label(0, 1, 2, 3)
    # After two days labels are complete: those of days 0 and 1 on day 4.
    reports = pump.watch()
    assert [report.number for report in reports] == [0, 1]
    value, lower, upper = reports[0].measured["recall"]
    rows = pump.days[0]
    caught = rows["probability"].astype(np.float32) >= 0.3
    assert value == pytest.approx(caught[rows["label"] == 1].mean())
    assert lower < value <= upper
    assert any("Graded by labels" in note for note in reports[1].notes)
    assert pump.watch() == []
    assert read_reports(pump.place)[0].measured == reports[0].measured


def test_concept_drift_shows_only_with_labels(pump):
    pump.record(6)
    for day in range(6):
        rows = pump.days[day]
        # Faults that no longer look like faults.
        rows["label"] = np.roll(rows["label"], 7)
    pump.watch()
    assert pump.alarms() == []
    pump.label(*range(6))
    pump.now += timedelta(days=3)
    reports = pump.watch()
    assert [alarm.kind for alarm in pump.book.open_alarms()] == [Kind.MEASURED_LOSS]
    assert "do not trust the estimates" in " ".join(reports[-1].notes)


def test_labels_of_alarms_alone_measure_only_the_precision(pump):
    pump.record(2)
    pump.watch()
    rows = pump.days[0]
    alarms = np.flatnonzero(rows["probability"].astype(np.float32) >= 0.3)
    labels = make_labels([f"d0-{VERSION}-{i}" for i in alarms], ["1"] * len(alarms))
    add_labels(pump.collected, labels, source="test")
    pump.now += timedelta(days=2)
    report = pump.watch()[0]
    assert report.measured["precision"][0] == 1
    assert report.measured["recall"] == (None, None, None)
    assert any("Label a random sample" in note for note in report.notes)


def test_labels_that_stop_raise_an_alarm(pump):
    pump.record(3)
    pump.watch()
    pump.label(0)
    pump.now += timedelta(days=3)
    pump.watch()
    assert pump.alarms() == [(Kind.LABELS, ("labels",))]
    [alarm] = pump.book.open_alarms()
    assert f"of the {ROWS} rows of the measured chunks, 100% have one" in alarm.what
    pump.label(1, 2)
    pump.record()
    pump.watch()
    assert read_reports(pump.place)[1].measured is not None


def test_a_chunk_whose_rows_are_deleted_raises_no_alarm_of_missing_labels(pump):
    pump.record(2)
    pump.watch()
    [deleted] = pump.collected.glob("requests/date=2026-03-02/*/*.parquet")
    deleted.unlink()
    pump.label(0, 1)
    pump.now += timedelta(days=3)
    reports = pump.watch()
    assert [report.measured is None for report in reports] == [False, True]
    assert reports[1].notes[-1].startswith("Its rows are gone: `collection.max_mb` bounds")
    assert pump.alarms() == []
    assert pump.watch() == []


def test_a_chunk_is_measured_again_when_many_more_labels_come(pump):
    pump.record(2)
    pump.watch()
    pump.label(0, 1, rows=40)
    pump.now += timedelta(days=5)
    assert [report.number for report in pump.watch()] == [0, 1]
    # 3 new ones of 40 are not a tenth.
    pump.label(0, rows=43)
    assert pump.watch() == []
    # Together with the 3 above, 4 are.
    pump.label(0, rows=44)
    [report] = pump.watch()
    assert [note for note in report.notes if "have a label" in note] == [
        "44 of 400 rows have a label."
    ]
    pump.label(0, 1)
    reports = pump.watch()
    assert [report.number for report in reports] == [0, 1]
    caught = pump.days[0]["probability"].astype(np.float32) >= 0.3
    expected = caught[pump.days[0]["label"] == 1].mean()
    assert reports[0].measured["recall"][0] == pytest.approx(expected)
    assert pump.watch() == []
    version = load_state(pump.place).versions[VERSION]
    assert version.labelled == (2 * ROWS, 2 * ROWS)
    # The tests have taken each label once.
    assert version.records["labelled"]["tests"]["cost"]["mean"]["num_values"] == 2 * ROWS


def test_corrected_labels_replace_the_wrong_ones(pump):
    pump.record(2)
    pump.now += timedelta(days=5)
    rows = [pump.days[day] for day in (0, 1)]
    for one in rows:
        one["label"] = 1 - one["label"]
    pump.label(0, 1)
    wrong = pump.watch()
    assert [kind for kind, _ in pump.alarms()] == [Kind.MEASURED_LOSS]
    for one in rows:
        one["label"] = 1 - one["label"]
    pump.label(0, 1)
    reports = pump.watch()
    assert [report.number for report in reports] == [0, 1]
    assert wrong[0].measured["recall"][0] < 0.1
    assert reports[0].measured["recall"][0] > 0.7
    version = load_state(pump.place).versions[VERSION]
    assert version.records["labelled"]["tests"]["cost"]["mean"]["num_values"] == 2 * ROWS
    assert version.records["labelled"]["grades"]["total"]["cost"] == 2
    # Neither chunk shows a loss any more; a third quiet one closes the alarm.
    assert version.standing[Kind.MEASURED_LOSS].quiet == 2


def test_labels_of_alarms_that_come_first_are_not_counted_twice(pump):
    pump.record(1)
    pump.now += timedelta(days=3)
    alarms = np.flatnonzero(pump.days[0]["probability"].astype(np.float32) >= 0.3)
    labels = make_labels([f"d0-{VERSION}-{i}" for i in alarms], ["1"] * len(alarms))
    add_labels(pump.collected, labels, source="test", now=FIRST_DAY + timedelta(days=1))
    pump.watch()
    assert load_state(pump.place).versions[VERSION].measured[0].taken == ""
    pump.label(0)
    pump.watch()
    version = load_state(pump.place).versions[VERSION]
    assert version.records["labelled"]["tests"]["cost"]["mean"]["num_values"] == ROWS
    assert version.labelled == (ROWS, ROWS)


def test_a_second_monitor_is_refused(pump):
    with held(pump.place), pytest.raises(InputError, match="Another monitor"), held(pump.place):
        pass


def test_a_version_without_a_reference_delays_no_other(pump):
    sources = pump.sources()
    is_lost = True

    def load(version):
        if is_lost and version == VERSION + 1:
            raise MissingReferenceError("ML Metadata knows no version 101.")
        return sources.load_reference(version)

    def watch():
        lost = replace(sources, load_reference=load)
        return Monitor(pump.config, pump.folder, MODEL, lost).run()

    pump.record(1)
    pump.record(2, version=VERSION + 1)
    pump.record(1)
    reports = watch()
    assert [report.drift is None for report in reports] == [False, True, True, False]
    assert reports[1].num_rows == ROWS
    assert reports[1].operations["p99_ms"] > 0
    assert any("knows no version 101" in note for note in reports[1].notes)
    [alarm] = pump.book.open_alarms()
    assert (alarm.version, alarm.features, alarm.severity) == (101, ("reference",), "warning")
    assert [report.alarms for report in reports] == [[], [alarm.id], [alarm.id], []]
    # The labels of other versions are taken.
    pump.label(0)
    assert [report.number for report in watch()] == [0]
    is_lost = False
    pump.record(3, version=VERSION + 1)
    new = [report for report in watch() if report.number > 3]
    assert [report.drift is None for report in new] == [False] * 3
    assert ("reference",) not in [features for _, features in pump.alarms()]


def test_features_that_are_redacted_later_are_no_longer_compared(tmp_path):
    pump = Pump(tmp_path, ("flow", "pressure", "maker"))
    pump.record(1)
    pump.watch()
    # The reference has been made by then, with all features.
    reference = pump_reference(pump.config)
    pump.config = replace(pump.config, collection=Collection(redact={"pressure": "hash"}))
    pump.record(1)
    sources = replace(pump.sources(), load_reference=lambda _: reference)
    [report] = Monitor(pump.config, pump.folder, MODEL, sources).run()
    assert set(report.drift["p_values"]) == {
        *("flow", "maker", "flow: missing", "maker: missing", "scores", "alarm rate", "joint"),
    }


def test_chunks_without_a_report_are_noted_and_not_measured(pump):
    pump.record(4)
    pump.record(1, flow=0.25)
    pump.watch()
    (pump.place / "chunks.jsonl").unlink()
    pump.label(0, 1)
    assert pump.watch() == []
    pump.record(2, flow=0.8)
    reports = pump.watch()
    assert [report.number for report in reports] == [5, 6]
    lost = "chunks.jsonl has lost the reports of chunks 0, 1, 2, 3, 4: they are not measured."
    assert [lost in report.notes for report in reports] == [True, False]
    # The evidence began in a lost chunk: the first one that is known has the alarm's beginning.
    [alarm] = pump.book.open_alarms()
    assert alarm.since == FIRST_DAY + timedelta(days=5)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_state_that_is_older_than_the_reports_is_refused(pump, is_lost):
    state = pump.place / "state.json"
    pump.record(1)
    pump.watch()
    older = state.read_bytes()
    pump.record(3)
    pump.watch()
    state.unlink()
    if not is_lost:
        state.write_bytes(older)
    with pytest.raises(InputError, match=f"next chunk is {0 if is_lost else 1}.* up to chunk 3"):
        pump.watch()


@pytest.mark.parametrize(
    "place",
    [
        *(("reader",), ("reader", "next_number"), ("reader", "last"), ("versions",)),
        *(("versions", "100", "waiting"), ("versions", "100", "records", "evidence", "drift")),
        ("versions", "100", "records", "baseline", "logs"),
    ],
)
def test_a_state_of_another_release_is_refused(pump, place):
    pump.record(1)
    pump.watch()
    pump.record(1)
    path = pump.place / "state.json"
    values = json.loads(path.read_text())
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"another version of the project wrote it.* aside"):
        pump.watch()


class KilledError(Exception):
    """Stands for a kill."""


def test_a_kill_at_any_point_changes_no_figure(tmp_path, monkeypatch):
    # These write all that is kept: between two of them, a kill finds the same files on disk.
    def scenario(folder, kill_at):
        folder.mkdir()
        pump, calls = Pump(folder), iter(range(10_000))
        real = {
            (owner, name): getattr(owner, name)
            for owner, name in (
                (monitor_module, "write_report"),
                (state_module.MonitorState, "save"),
                (AlarmBook, "raise_alarm"),
                (AlarmBook, "close"),
            )
        }

        def killing(function):
            def call(*args, **options):
                if next(calls) in kill_at:
                    raise KilledError
                return function(*args, **options)

            return call

        with monkeypatch.context() as patch:
            for (owner, name), function in real.items():
                patch.setattr(owner, name, killing(function))
            pump.record(2, flow=1.5, rows=150)
            pump.record(4, rows=150, even=True)
            for _ in range(len(kill_at) + 1):
                with suppress(KilledError):
                    pump.watch()
        alarms = [(s.alarm.id, s.alarm.kind, s.num_repeats, s.why) for s in pump.book.states()]
        return read_reports(pump.place), alarms, next(calls)

    reports, alarms, num_points = scenario(tmp_path / "whole", set())
    assert len(reports) == 6
    # The alarm was raised, repeated, and closed after three quiet days.
    assert [alarm[1] for alarm in alarms] == [Kind.DRIFT]
    assert alarms[0][3]
    assert num_points > 10
    for point in range(num_points):
        killed = scenario(tmp_path / str(point), {point})
        assert killed[:2] == (reports, alarms), point


def test_a_label_that_came_before_a_request_of_several_rows_is_not_that_of_its_first(pump):
    rows = draw_rows(pump.rng, 300)
    table = records_of(rows, 0)
    pairs = table.slice(0, 200)  # 100 requests of two rows, then 100 of one
    ids = [f"pair{place // 2}" for place in range(200)]
    numbers = [place % 2 for place in range(200)]
    pairs = pairs.set_column(0, "request_id", pa.array(ids))
    pairs = pairs.set_column(1, "row", pa.array(numbers, pa.int32()))
    recorded = pa.concat_tables([pairs, table.slice(200)]).combine_chunks()
    labels = [str(int(one)) for one in rows["label"]]
    singles = recorded["request_id"].to_pylist()[200:]
    unnumbered = [f"pair{place}" for place in range(50)]
    numbered = [f"pair{place}" for place in range(50, 100)]
    for given in (
        make_labels(unnumbered + singles, ["1"] * 50 + labels[200:]),
        make_labels(numbered, labels[100:200:2], [0] * 50),
    ):
        add_labels(pump.collected, given, source="test", now=FIRST_DAY)
    write_closed(pump.collected, recorded.to_batches(), "stable-100", FIRST_DAY)
    pump.day, pump.now = 1, FIRST_DAY + timedelta(days=4)
    [report] = pump.watch()
    # The 100 single rows and the 50 rows that labels name.
    assert "150 of 300 rows have a label." in report.notes
    known = np.concatenate([rows["label"][100:200:2], rows["label"][200:]])
    assert report.measured["prevalence"][0] == pytest.approx(known.mean())


def test_rows_that_are_sent_again_a_day_later_are_measured_once(pump):
    rows = draw_rows(pump.rng, 400)
    write_day(pump.collected, rows, 0)
    write_day(pump.collected, draw_rows(pump.rng, 200), 1)
    again = records_of(rows, 0).slice(0, 100)
    times = [time + timedelta(days=1) for time in again["time"].to_pylist()]
    place = again.column_names.index("time")
    again = again.set_column(place, "time", pa.array(times, again.schema.field("time").type))
    hour = FIRST_DAY + timedelta(days=1)
    write_closed(pump.collected, again.combine_chunks().to_batches(), "again", hour)
    deliver_day(pump.collected, rows, 0)
    others = make_labels([f"d1-{VERSION}-{place}" for place in range(150)], ["0"] * 150)
    add_labels(pump.collected, others, source="test", now=FIRST_DAY + timedelta(days=2))
    pump.now = FIRST_DAY + timedelta(days=5)
    first, second = pump.watch()
    assert (first.num_rows, second.num_rows) == (400, 200)
    assert "400 of 400 rows have a label." in first.notes
    assert "150 of 200 rows have a label." in second.notes
