"""One small file for each thing that `init` recognises, and the decision that it must take."""

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from models.features import Categorical, HeavyTailed, Numeric, Signal, Time
from pipeline.config import WideSignal
from pipeline.onboarding.profile.table import ReadOptions, read_table
from pipeline.onboarding.proposal import propose_training

ROWS = 1_000
RNG = np.random.default_rng(1)


def test_an_honest_measurement_stays_with_its_unit_and_its_odd_name(base, propose_for):
    base["Größe: a.b [mm]"] = RNG.normal(size=ROWS)
    proposal = propose_for(base)
    assert proposal.features["x"][0] == Numeric()
    assert proposal.features["Größe: a.b [mm]"][0] == Numeric(unit="mm")
    assert proposal.left_out == {}
    assert proposal.split.split.strategy == "stratified"


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("serial", [f"S{n:05d}" for n in range(ROWS)], "an identifier: 100 % of its texts"),
        ("UDI", range(1, ROWS + 1), "a row number or counter: strictly rising"),
        ("left", range(ROWS, 0, -1), "a row number or counter: strictly falling"),
        ("ticket_id", RNG.permutation(90_000)[:ROWS], "an identifier: 100 % of its values"),
        ("shuffled", RNG.permutation(ROWS), "each whole number of its range occurs once"),
        ("site", ["Geneva"] * ROWS, "the same value in every row"),
        ("zero", [0.0] * ROWS, "the same value in every row"),
        ("nothing", [None] * ROWS, "empty in every row"),
        ("rare", [1.5] * 3 + [None] * (ROWS - 3), "missing in 99.70 % of the rows"),
        ("note", [f"seen by {n // 2}" for n in range(ROWS)], "free text: 500 distinct values"),
    ],
)
def test_a_column_without_use_is_left_out(base, propose_for, name, values, reason):
    proposal = propose_for(base | {name: values})
    assert reason in proposal.left_out[name]
    assert list(proposal.features) == ["x"]


def test_whole_numbers_that_measure_are_no_identifiers(base, propose_for):
    # 1,000 draws of 30,000 values: nearly all distinct, neither dense nor named as an identifier.
    proposal = propose_for(base | {"pressure": RNG.integers(0, 30_000, ROWS)})
    assert proposal.features["pressure"][0] == Numeric()


def test_a_twin_of_a_column_is_left_out(base, propose_for):
    proposal = propose_for(base | {"x_again": base["x"]})
    assert proposal.left_out["x_again"] == "it is equivalent to `x` in every row"


def test_a_category_under_another_name_is_left_out(base, propose_for):
    colours = RNG.choice(["red", "green", "blue"], ROWS)
    codes = pd.Series(colours).map({"red": "R", "green": "G", "blue": "B"})
    proposal = propose_for(base | {"colour": colours, "colour_code": codes})
    assert proposal.left_out["colour_code"] == "it is equivalent to `colour` in every row"


def test_copies_consequences_and_codes_of_the_label_are_left_out(base, propose_for):
    y = base["label"]
    proposal = propose_for(
        base
        | {
            "verdict": np.where(y, "broken", "fine"),
            "inverse": 1 - y,
            "repair_hours": y * 10 + RNG.random(ROWS),
            "fault_code": np.where(y, RNG.integers(1, 5, ROWS), 0),
            "repaired_on": np.where(y, "2024-03-01", None),
            "wear_failure": y * (RNG.random(ROWS) < 0.3),
        }
    )
    assert list(proposal.features) == ["x"]
    assert "its values determine the label" in proposal.left_out["verdict"]
    assert "ROC-AUC 1.0000 (low values)" in proposal.left_out["inverse"]
    assert "its two values repeat the label" in proposal.left_out["inverse"]
    assert "ROC-AUC 1.0000 (high values)" in proposal.left_out["repair_hours"]
    assert "use it with `--keep repair_hours`" in proposal.left_out["repair_hours"]
    assert "leaks the label" in proposal.left_out["fault_code"]
    assert "a value exactly where the label is positive" in proposal.left_out["repaired_on"]
    assert "the value `1` occurs in" in proposal.left_out["wear_failure"]


def test_a_strong_but_honest_measurement_is_no_leak(base, propose_for):
    # Class means two deviations apart: ROC-AUC Phi(2 / sqrt(2)) = 0.92.
    proposal = propose_for(base | {"strong": 2 * base["label"] + RNG.normal(size=ROWS)})
    assert "strong" in proposal.features
    assert proposal.notes[0].startswith("Some columns are strong alone (ROC-AUC: `strong` 0.9")
    assert "`--leave-out COLUMN`" in proposal.notes[0]


def test_a_flag_that_is_set_in_a_few_rows_by_chance_is_no_leak(base, propose_for):
    flag = np.zeros(ROWS, int)
    flag[np.flatnonzero(base["label"])[:5]] = 1  # five positives of five: 0.1^5 by chance
    proposal = propose_for(base | {"maintenance": flag})
    assert "maintenance" in proposal.features


def test_repeated_names_of_things_make_a_group_split(base, propose_for):
    machines = RNG.integers(0, 50, ROWS)
    bays = machines // 10  # five only: a test split of one bay would tell little
    slots = [f"{m}/{n % 2}" for n, m in enumerate(machines)]
    proposal = propose_for(base | {"machine_id": machines, "bay_name": bays, "slot_no": slots})
    assert proposal.split.split.strategy == "group"
    assert proposal.split.split.column == "machine_id"
    assert "the group by which examples are split" in proposal.left_out["machine_id"]
    # A slot is a part of one machine, so it names the machine.
    assert proposal.left_out["slot_no"] == "each of its values occurs with only one `machine_id`"


@pytest.mark.parametrize(("flags", "is_told"), [({}, True), ({"group": ["machine_id"]}, False)])
def test_a_group_split_says_that_test_is_not_later_unless_the_person_decided(
    base, propose_for, flags, is_told
):
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str)
    columns = base | {"machine_id": RNG.integers(0, 50, ROWS), "recorded": times}
    proposal = propose_for(columns, **flags)
    assert proposal.split.split.column == "machine_id"
    assert any("--split time --time recorded" in note for note in proposal.notes) == is_told


def test_rows_that_are_alike_make_a_group_whatever_its_name(base, propose_for):
    codes = np.repeat(np.arange(100), 10)
    means = RNG.normal(size=100)
    alike = {f"m{n}x": means[codes] * (n + 1) + 0.01 * RNG.normal(size=ROWS) for n in range(3)}
    proposal = propose_for(base | alike | {"qq": [f"q{c}" for c in codes]})
    assert proposal.split.split.column == "qq"
    assert "intraclass correlation 1.00" in proposal.split.reason


@pytest.mark.parametrize(("num_machines", "is_told"), [(6, True), (50, False)])
def test_a_test_split_of_one_or_two_groups_is_warned_of(base, propose_for, num_machines, is_told):
    machines = RNG.permutation(np.resize(np.arange(num_machines), ROWS))
    split = propose_for(base | {"machine": [f"m{number}" for number in machines]}).split
    assert split.split.column == "machine"
    assert ("have about 1 of the 6 groups of `machine`" in split.warning) == is_told
    assert bool(split.warning) == is_told


def test_too_few_groups_fall_back_and_say_why(base, propose_for):
    # All positives on two of six machines: no three splits can each have one.
    machine = np.where(base["label"], RNG.integers(0, 2, ROWS), RNG.integers(0, 6, ROWS))
    proposal = propose_for(base | {"machine": machine})
    assert proposal.split.split.strategy == "stratified"
    assert proposal.split.not_possible == (
        "group by `machine`: no cut gives every split examples of both classes",
    )
    assert isinstance(proposal.features["machine"][0], Categorical)


@pytest.mark.parametrize(
    ("values", "how"),
    [
        (pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str), "ISO 8601"),
        (pd.date_range("2024-01-01", periods=ROWS, freq="h").strftime("%d.%m.%Y %H:%M"), "%d.%m"),
        (1_700_000_000 + 3_600 * np.arange(ROWS), "seconds since the Unix epoch"),
        ((1_700_000_000 + 3_600 * np.arange(ROWS)) * 10**3, "milliseconds since the Unix epoch"),
        ((1_700_000_000 + 3_600 * np.arange(ROWS)) * 10**9, "nanoseconds since the Unix epoch"),
    ],
)
def test_times_in_order_make_a_time_split_and_cycles(base, propose_for, values, how):
    proposal = propose_for(base | {"recorded": values})
    assert proposal.split.split.strategy == "time"
    assert proposal.split.split.column == "recorded"
    feature, reason = proposal.features["recorded"]
    # 1,000 hours are 41 days: two days and two weeks at least, not two years.
    assert feature == Time(cycles=("hour_of_day", "day_of_week"))
    assert how in reason


def test_times_whose_end_has_no_positives_fall_back_and_say_why(base, propose_for):
    order = np.argsort(-base["label"], kind="stable")  # all positives first
    columns = {name: values[order] for name, values in base.items()}
    columns["day"] = pd.date_range("2020-01-01", periods=ROWS, freq="D").astype(str)
    proposal = propose_for(columns)
    assert proposal.split.split.strategy == "stratified"
    assert "time by `day`: " in proposal.split.not_possible[0]


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_the_time_of_the_measurement_makes_the_split_and_not_that_of_another_event(
    base, propose_for, is_shuffled
):
    machine = RNG.integers(0, 200, ROWS)
    days = RNG.integers(0, 2_000, ROWS)[machine]
    at = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    rows = RNG.permutation(ROWS) if is_shuffled else np.arange(ROWS)
    delivered = pd.Timestamp("2015-03-01") + pd.to_timedelta(days, unit="D")
    # By its name, and as the column in which times are repeated.
    for name in ("installed", "day_one"):
        columns = {name: delivered.astype(str), "at": at[rows].astype(str)}
        proposal = propose_for(columns | base)
        assert proposal.split.split.column == "at"
        assert any(f"`{name}` holds times too" in note for note in proposal.notes)
        assert propose_for(columns | base, time=[name]).split.split.column == name


def test_elapsed_time_deals_the_splits_but_is_no_feature(base, propose_for):
    proposal = propose_for(base | {"Time": np.sort(RNG.integers(0, 10_000, ROWS))})
    assert proposal.split.split.column == "Time"
    assert "without hours and days" in proposal.left_out["Time"]


def test_dates_in_parquet_are_times(base, propose_for):
    base["at"] = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    assert isinstance(propose_for(base, kind="parquet").features["at"][0], Time)


def test_numbered_smooth_columns_become_one_signal(base, propose_for):
    shapes = np.exp(-np.arange(20) / 8) * (1 + 0.1 * RNG.normal(size=(ROWS, 1)))
    wide = {f"V_{n}": shapes[:, n].round(5) for n in range(20)}
    proposal = propose_for(base | wide)
    assert proposal.wide_signals == {"V": WideSignal(first="V_0", last="V_19")}
    assert proposal.features["V"][0] == Signal(num_samples=20)
    assert set(proposal.features) == {"x", "V"}


def test_numbered_samples_of_vibration_are_a_signal_by_their_name(base, propose_for):
    wide = {f"t{n:03d}": RNG.normal(size=ROWS).round(5) for n in range(16)}
    assert propose_for(base | wide).features["t"][0] == Signal(num_samples=16)


def test_numbered_separate_measurements_stay_apart(base, propose_for):
    wide = {f"f{n}": (10**n * RNG.normal(size=ROWS)).round(5) for n in range(16)}
    proposal = propose_for(base | wide)
    assert len(proposal.features) == 17
    assert "`f0` to `f15` remain separate numbers" in proposal.notes[0]


def test_lists_of_one_length_are_signals_and_others_are_left_out(base, propose_for):
    base["voltage_v"] = list(RNG.normal(size=(ROWS, 32)).astype(np.float32))
    base["ragged"] = [np.zeros(2 + n % 3) for n in range(ROWS)]
    base["sampling_rate_hz"] = np.where(np.arange(ROWS) % 50, 500.0, 250.0)
    proposal = propose_for(base, kind="parquet")
    assert proposal.features["voltage_v"][0] == Signal(
        num_samples=32, sampling_rate_hz=500.0, rate_column="sampling_rate_hz", unit="V"
    )
    assert "lists of 2 to 4 numbers" in proposal.left_out["ragged"]
    assert "the signals' sampling rate" in proposal.left_out["sampling_rate_hz"]


def _recordings(lengths):
    return [np.sin(np.arange(length) / 5).astype(np.float32) for length in lengths]


@pytest.mark.parametrize(
    ("lengths", "signal", "words"),
    [
        # 40 to 42 samples: the shortest loses 1 - 40/42 = 4.8 % of the longest.
        ([40, 41, 42], Signal(num_samples=40, lengths="cut"), "drops at most 4.8 %"),
        ([20, 30, 40], Signal(num_samples=40, lengths="pad"), "padded to the longest"),
    ],
)
def test_recordings_of_unequal_length_are_cut_or_padded(base, propose_for, lengths, signal, words):
    base["wave"] = _recordings([lengths[n % 3] for n in range(ROWS)])
    proposal = propose_for(base, kind="parquet")
    feature, reason = proposal.features["wave"]
    assert feature == signal
    assert words in reason
    assert proposal.notes[0].startswith(f"`wave`: lists of {lengths[0]} to {lengths[-1]} numbers")
    assert proposal.validation.max_gap_share == 0.05  # padding is no gap


def test_recordings_at_different_rates_are_resampled(base, propose_for):
    half = np.arange(ROWS) % 2 == 0
    base["wave"] = _recordings(np.where(half, 25, 50))
    base["fs_hz"] = np.where(half, 250.0, 500.0)
    proposal = propose_for(base, kind="parquet")
    feature, reason = proposal.features["wave"]
    # The median of 500 times 25 and 500 times 50 is 37.5.
    assert (feature.num_samples, feature.lengths, feature.rate_column) == (37, "resample", None)
    assert "at different sampling rates" in reason


def test_a_list_column_that_is_most_of_the_data_is_not_left_out_silently(base, propose_for):
    base["wave"] = _recordings([4 if n else 4_000 for n in range(ROWS)])
    proposal = propose_for(base, kind="parquet")
    assert "lists of 4 to 4000 numbers" in proposal.left_out["wave"]
    assert "`lengths`: cut, pad or resample" in proposal.left_out["wave"]
    # 3,996 + 4,000 samples beside 1,000 values of `x`.
    assert "WARNING: `wave` HOLDS 89 % OF THE DATA AND IS LEFT OUT" in proposal.notes[0]


@pytest.mark.parametrize(
    ("name", "rates", "is_rate"),
    [
        ("rate", [500.0], True),
        ("wave_hz", [500.0, 250.0], True),  # a rate of the signal `wave`
        ("sample_rate", [500.0], True),
        ("rate_hz", [500.0], True),
        ("fs", [500.0], True),
        ("frequency", [500.0], False),
        ("mains_frequency", [50.0], False),
        ("line_hz", [50.0], False),
        ("wave_frequency", [50.0], False),  # of the wave, not of its samples
        ("wave_rate", [3.0], False),
        ("sampling_rate_khz", [0.5], False),  # rates are in Hz
        ("shaft_hz", [500.0, 250.0, 320.0], False),  # a measurement
    ],
)
def test_a_rate_is_recognised_by_its_name_and_by_its_values(
    base, propose_for, name, rates, is_rate
):
    base["wave"] = list(RNG.normal(size=(ROWS, 16)).astype(np.float32))
    base[name] = [rates[n % len(rates)] for n in range(ROWS)]
    proposal = propose_for(base, kind="parquet")
    feature, _ = proposal.features["wave"]
    assert feature.rate_column == (name if is_rate else None)
    asked = any("Is it the signals' sampling rate?" in note for note in proposal.notes)
    assert asked == (not is_rate and len(rates) == 1)


def test_gaps_and_wrong_rates_of_the_data_are_let_pass_twice(base, propose_for):
    recordings = RNG.normal(size=(ROWS, 16))
    recordings[:100, 3] = np.nan
    base["v"] = list(recordings)
    base["sample_rate"] = np.where(np.arange(ROWS) < 200, 250.0, 500.0)
    base["some"] = [None if n == 7 else np.zeros(4) for n in range(ROWS)]
    proposal = propose_for(base, kind="parquet")
    assert proposal.validation.max_gap_share == pytest.approx(0.2, abs=0.011)
    assert proposal.validation.max_wrong_rate_share == pytest.approx(0.4, abs=0.011)
    assert "no recording in 0.10 % of the rows" in proposal.left_out["some"]


def test_gaps_of_a_wide_signal_count_too(base, propose_for):
    wide = {f"t{n:02d}": np.sin(n / 5) + 0.1 * RNG.normal(size=ROWS) for n in range(16)}
    wide["t03"][:200] = np.nan
    validation = propose_for(base | wide).validation
    assert validation.max_gap_share == pytest.approx(0.4, abs=0.011)
    assert validation.max_wrong_rate_share == 0.05


def test_kinds_of_numbers_and_texts(base, propose_for):
    base["gear"] = RNG.integers(0, 6, ROWS)
    base["area_code"] = RNG.integers(0, 60, ROWS)
    base["num_starts"] = RNG.integers(0, 6, ROWS)
    base["binary"] = RNG.integers(0, 2, ROWS)
    base["colour"] = RNG.choice(["red", "green"], ROWS)
    base["energy"] = np.exp(3 * RNG.normal(size=ROWS))
    kinds = {name: type(feature) for name, (feature, _) in propose_for(base).features.items()}
    assert kinds == {
        "x": Numeric,
        "gear": Numeric,
        "area_code": Categorical,
        "num_starts": Numeric,
        "binary": Numeric,
        "colour": Categorical,
        "energy": HeavyTailed,
    }


def test_texts_among_numbers_mean_missing_in_that_column_alone(base, propose_for):
    reading = RNG.normal(size=ROWS).round(3).astype(str).astype(object)
    reading[:30] = "error"
    alike = RNG.normal(size=ROWS).round(3).astype(str).astype(object)
    alike[:30] = "red"
    base |= {"reading": reading, "colour": RNG.choice(["red", "green"], ROWS), "alike": alike}
    proposal = propose_for(base)
    assert isinstance(proposal.features["reading"][0], Numeric)
    assert proposal.formats["reading"].missing[-1] == "error"
    # `red` is a colour in one column and a missing number in the other.
    assert isinstance(proposal.features["alike"][0], Numeric)
    assert proposal.formats["alike"].missing[-1] == "red"
    assert proposal.formats["colour"].missing is None
    assert isinstance(proposal.features["colour"][0], Categorical)


def test_a_word_that_may_be_a_mark_is_a_value_in_a_column_of_texts(base, propose_for):
    base["damage"] = RNG.choice(["None", "minor", "major"], ROWS)
    base["reading"] = np.where(
        RNG.random(ROWS) < 0.1, "NA", RNG.normal(size=ROWS).round(3).astype(str)
    )
    proposal = propose_for(base)
    assert "None" not in (proposal.formats["damage"].missing or ("None",))
    assert proposal.table.columns["damage"].num_missing == 0
    assert set(proposal.table.columns["damage"].tally.texts) == {"None", "minor", "major"}
    assert proposal.formats["reading"].missing is None  # `NA` is a default mark of numbers


def test_a_code_among_numbers_makes_a_category(base, propose_for):
    codes = RNG.choice(["1", "2", "3", "X"], ROWS)
    assert isinstance(propose_for(base | {"mode": codes}).features["mode"][0], Categorical)


def test_columns_with_nine_tenths_missing_stay(base, propose_for):
    sparse = np.where(np.arange(ROWS) % 10, np.nan, RNG.normal(size=ROWS))
    feature, reason = propose_for(base | {"sparse": sparse}).features["sparse"]
    assert isinstance(feature, Numeric)
    assert "missing in 90 % of the rows" in reason


def test_duplicates_bad_rows_and_missing_labels_are_counted(tmp_path):
    path = tmp_path / "data.csv"
    rows = [f"{n},{n % 2}" for n in range(100)]
    # Two copies of earlier rows, a row with one field, a row without a label.
    path.write_text("\n".join(["a,label", *rows, "0,0", "1.0,1", "7", "7,"]) + "\n")
    table = read_table(str(path), "label", ReadOptions(default_marks=()))
    assert (table.num_rows, table.num_duplicates) == (103, 2)
    assert (table.num_ragged, table.num_unlabelled) == (1, 1)
    assert table.classes == {"0": 51, "1": 51}


def test_more_rows_than_the_sample_holds_are_still_counted_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.onboarding.profile.table._MAX_SAMPLE_ROWS", 64)
    monkeypatch.setattr("pipeline.onboarding.profile.table._MIN_SAMPLE_ROWS", 8)
    path = tmp_path / "data.csv"
    path.write_text("a,label\n" + "".join(f"{n},{int(n == 5)}\n" for n in range(1_000)))
    table = read_table(str(path), "label", ReadOptions(default_marks=()))
    assert table.classes == {"0": 999, "1": 1}
    assert 8 <= len(table.sampled) <= 64
    assert list(table.columns["a"].sample) == list(table.sampled)


def test_copies_are_dropped_only_where_an_id_or_a_time_shows_that_they_are(base, propose_for):
    keyed = base | {"row_id": [f"r{n}" for n in range(ROWS)]}
    assert propose_for({n: np.append(v, v[:50]) for n, v in keyed.items()}).drop_duplicates
    proposal = propose_for({n: np.append(v, v[:50]) for n, v in base.items()})
    assert not proposal.drop_duplicates
    assert "equal an earlier one in every column" in proposal.notes[-1]


def test_long_runs_of_equal_label_make_a_split_by_blocks(base, propose_for):
    # 40 times 18 negatives and 7 positives in a row.
    base["label"] = np.tile(np.repeat([0, 1], [18, 7]), 40)
    choice = propose_for(base).split
    # The longest run, 18, is tried first: each 7 positives begin in another 18 rows of the file.
    assert (choice.split.strategy, choice.split.block_rows) == ("blocks", 18)
    assert "80 runs of equal label" in choice.reason
    assert "40 of them with a positive" in choice.reason
    assert choice.warning == ""


def test_blocks_of_few_runs_of_positives_are_proposed_with_a_warning(base, propose_for):
    # 4 times 170 negatives and 80 positives in a row: 4 runs of positives.
    base["label"] = np.tile(np.repeat([0, 1], [170, 80]), 4)
    choice = propose_for(base).split
    assert choice.split.strategy == "blocks"
    assert "only 4 blocks contain a positive" in choice.warning


def test_one_run_of_positives_is_a_warning(base, propose_for):
    base["x"] = np.random.default_rng(1).normal(size=ROWS).cumsum()
    base["label"] = np.sort(base["label"])
    proposal = propose_for(base)
    # Shuffled, 100 of 1,000 would make 1 + 2 * 900 * 100 / 1000 = 181 runs.
    assert proposal.split.split.strategy == "stratified"
    assert "2 runs of equal label" in proposal.split.warning
    assert "about 181" in proposal.split.warning
    # 900 negatives begin at row 1 and are cut at 101, 201, …, so 100 positives are a part alone.
    assert (
        "is not possible: of 10 blocks of 100 rows, 1 with a positive, no cut"
        in proposal.split.warning
    )


def test_a_file_sorted_by_the_label_is_no_recording(base, propose_for):
    order = np.argsort(base["label"], kind="stable")
    split = propose_for({name: values[order] for name, values in base.items()}).split
    assert (split.split.strategy, split.warning) == ("stratified", "")
    assert "the file was sorted by the label" in split.reason


def test_shuffled_rows_are_no_warning(base, propose_for):
    assert propose_for(base).split.warning == ""


def test_nothing_to_learn_from_is_an_error(base, propose_for):
    with pytest.raises(InputError, match="No usable feature column remains: `n`: a row number"):
        propose_for({"n": range(ROWS), "label": base["label"]})


def test_more_rows_get_bigger_batches_and_fewer_epochs():
    small, large = propose_training(1_000)[0], propose_training(286_000)[0]
    assert small.batch_size < large.batch_size
    assert small.epochs > large.epochs


@pytest.mark.parametrize(
    "write",
    [
        lambda v: f"{abs(v):.2f}-".replace(".", ","),
        lambda v: f"({v:.3f})",
        lambda v: f"({int(3e3 * abs(v)):,})" if v < 0 else f"{int(3e3 * v):,}",
        lambda v: f"{int(1e3 * abs(v)) // 60}h{int(1e3 * abs(v)) % 60:02d}m",
        lambda v: f"{'$' if v > 0 else '€'}{v:.2f}",
        lambda v: f"{v:.3f} {'bar' if v > 0 else 'Bar'}",
        lambda v: f"{int(1e4 * abs(v)) // 60}:{int(1e4 * abs(v)) % 60:02d}",
        lambda v: f"{v:.4E}".replace("E", "D"),
        lambda v: f"3,{int(10 + 10 * abs(v))},{int(1e5 * abs(v)) % 1000:03d}.50",
        lambda v: f"T#{int(100 * abs(v))}h{int(1e4 * abs(v)) % 60}m",
        lambda v: f"PT{int(1e4 * abs(v))}S",
        lambda v: f"{1990 + int(10 * abs(v))}-W{1 + int(1e4 * abs(v)) % 52:02d}",
    ],
)
def test_a_measurement_that_no_format_reads_is_noted(base, propose_for, write):
    rng = np.random.default_rng(3)
    proposal = propose_for(base | {"delta": [write(v) for v in rng.normal(size=len(base["x"]))]})
    assert "delta" in proposal.left_out
    assert any(n.startswith("`delta` is text and is left out, but") for n in proposal.notes)


def test_an_identifier_is_not_noted_as_a_measurement(base, propose_for):
    codes = [f"{n // 100}-{n % 100}" for n in range(len(base["x"]))]
    proposal = propose_for(base | {"part": codes})
    assert "part" in proposal.left_out
    assert not any("`part` is text" in note for note in proposal.notes)


def test_a_mark_that_may_be_a_value_is_noted_and_a_word_is_not(base, propose_for):
    reading = base["x"].round(2).astype(str).astype(object)
    reading[:30] = "<0.05"
    other = base["x"].round(2).astype(str).astype(object)
    other[:30], other[30:60] = "error", "-9999"
    notes = propose_for(base | {"reading": reading, "other": other}).notes
    assert [note.split(":")[0] for note in notes if "read as missing" in note] == ["`reading`"]
    assert any("`reading`: `<0.05` is read as missing" in note for note in notes)


def test_names_that_differ_only_in_case_are_noted_in_features_and_in_the_group(base, propose_for):
    base["maker"] = RNG.choice(["Acme", "acme", "Bolt"], ROWS)
    base["machine_id"] = [f"{RNG.choice(['M', 'm'])}{n}" for n in RNG.integers(0, 30, ROWS)]
    base["site"] = RNG.choice(["north", "south"], ROWS)
    notes = [n for n in propose_for(base).notes if "differ only in case" in n]
    assert [note.split("`")[1] for note in notes] == ["maker", "machine_id"]


@pytest.mark.parametrize("write", [str, lambda values: " ".join(map(str, values))])
def test_recordings_written_as_text_are_noted(base, propose_for, write):
    base["wave"] = [write(row) for row in RNG.normal(size=(ROWS, 32)).round(3).tolist()]
    proposal = propose_for(base)
    assert "wave" in proposal.left_out
    assert any("`wave` is text" in note and "lists of numbers" in note for note in proposal.notes)


def test_whole_numbers_of_16_digits_are_identifiers(base, propose_for):
    base["tag"] = [2**53 + 1 + 2 * int(n) for n in RNG.permutation(ROWS)]
    assert "16 digits" in propose_for(base).left_out["tag"]


def test_recordings_at_several_rates_are_noted(base, propose_for):
    base |= {"wave": list(RNG.normal(size=(ROWS, 32))), "fs": np.repeat(2_000.0, ROWS)}
    assert not any("Resample" in note for note in propose_for(base, kind="parquet").notes)
    base["fs"] = np.where(np.arange(ROWS) % 3, 2_000.0, 4_000.0)
    notes = propose_for(base, kind="parquet").notes
    assert any(n.startswith("In 33 % of the rows, `fs` differs from its median") for n in notes)
