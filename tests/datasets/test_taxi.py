from pathlib import Path

import pyarrow.csv

from datasets import materialise


def test_the_taxi_file_has_15_002_trips_with_their_label(tmp_path):
    trips = pyarrow.csv.read_csv(Path(materialise("taxi", tmp_path, {})))

    assert trips.num_rows == 15_002
    assert set(trips["big_tipper"].to_pylist()) == {0, 1}
