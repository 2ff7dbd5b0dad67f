"""A plant's export as it comes: from `init` to the same answers for a day in another format."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

_SENSORS = {
    "discharge_pressure": "bar",
    "suction_pressure": "bar",
    "flow": "l/min",
    "motor_current": "A",
    "bearing_temperature": "°C",
    "oil_temperature": "°C",
    "vibration": "mm/s",
    "speed": "rpm",
}
_NUM_ROWS, _NUM_FAULTS = 4_000, 60  # 1.5 %
_DAY = slice(2_400, 2_544)  # a day of ten minutes each, days 1 to 12 of a month


def _readings() -> pd.DataFrame:
    random = np.random.default_rng(4)
    scale = np.array([0.4, 0.1, 30, 2, 3, 2, 0.5, 20])
    level = np.array([6, 1.2, 900, 40, 55, 48, 2.4, 1480])
    values = level + scale * random.normal(size=(_NUM_ROWS, len(_SENSORS)))
    faulty = np.zeros(_NUM_ROWS, int)
    faulty[random.permutation(_NUM_ROWS)[:_NUM_FAULTS]] = 1
    values[faulty == 1, 6] += 3.2 * scale[6]  # vibration and temperature of a worn bearing
    values[faulty == 1, 4] += 3.2 * scale[4]
    frame = pd.DataFrame(values.round(3), columns=list(_SENSORS))
    frame.insert(0, "time", pd.date_range("2024-02-16", periods=_NUM_ROWS, freq="10min"))
    frame["note"] = random.choice(["", "-", "ok", "cleaned filter", "shift change"], _NUM_ROWS)
    gaps = random.random((_NUM_ROWS, len(_SENSORS))) < 0.02
    frame[list(_SENSORS)] = frame[list(_SENSORS)].mask(gaps)
    return frame.assign(failed=faulty)


def _european(frame: pd.DataFrame) -> bytes:
    """Semicolons, decimal commas, `-` for no value, day first, a row of units, cp1252."""
    shown = frame.copy()
    shown["time"] = shown["time"].dt.strftime("%d.%m.%Y %H:%M")
    for name in _SENSORS:
        shown[name] = ["-" if np.isnan(v) else f"{v:.3f}".replace(".", ",") for v in frame[name]]
    units = ["", *_SENSORS.values(), "", ""]
    lines = [";".join(shown.columns), ";".join(units)]
    lines += [";".join(map(str, row)) for row in shown.itertuples(index=False)]
    return ("\r\n".join(lines) + "\r\n").encode("cp1252")


@pytest.fixture(scope="module")
def plant(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("plant") / "work")
    faultline.cwd.mkdir(parents=True)
    (faultline.cwd / "Pumpe 7.csv").write_bytes(_european(_readings()))
    return faultline


@pytest.fixture(scope="module")
def proposed(plant) -> str:
    done = plant("init", "Pumpe 7.csv", "--label", "failed", "--name", "pump")
    assert done.code == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def pushed(plant, proposed) -> Path:
    done = plant.in_fork("run", "--config", "configs/pump.yaml")
    assert done.code == 0, done.out + done.err + plant.last_log()
    assert "BLESSED" in done.out
    [version] = plant.versions("pump")
    return version


def test_every_sensor_is_a_number_with_the_unit_of_the_row_below_the_header(proposed, plant):
    config = (plant.cwd / "configs" / "pump.yaml").read_text()
    for name, unit in _SENSORS.items():
        assert f"{name}: {{kind: numeric, unit: {unit}}}" in config.replace('"', "")
    assert "units_row: true" in config
    assert 'decimal: ","' in config
    assert "encoding: cp1252" in config
    assert 'time: {type: time, format: "%d.%m.%Y %H:%M"}' in config
    assert "Split: time" in proposed


def test_a_day_in_another_format_gets_the_same_answers(plant, pushed):
    day = _readings()[_DAY].reset_index(drop=True)
    (plant.cwd / "day.csv").write_bytes(_european(day))
    day.to_parquet(plant.cwd / "day.parquet")
    answers = [_predict(plant, f"day.{suffix}") for suffix in ("csv", "parquet")]
    np.testing.assert_allclose(answers[0].probability, answers[1].probability, atol=1e-6)
    assert answers[0].decision.tolist() == answers[1].decision.tolist()
    assert len(answers[0]) == len(day)


def _predict(plant: Faultline, data: str) -> pd.DataFrame:
    folder = f"out-{data.rpartition('.')[2]}"
    config = ("--config", "configs/pump.yaml")
    done = plant("predict", data, *config, "--batch", "--output-file", folder)
    assert done.code == 0, done.out + done.err
    return pd.read_parquet(plant.cwd / folder).sort_values("row", ignore_index=True)
