import json
from pathlib import Path

import pytest

from pipeline.config_loading import load_config
from pipeline.wiring.framing import framing_properties

_CONFIG = """
name: pumps
label: {{column: label}}
data:
  path: raw
  recordings: {{form: stream, time_column: t, window: {window}}}
split: {{strategy: group, column: recording}}
features:
  u: {{kind: signal, num_samples: 20{rate}}}
  {other}: {{kind: numeric}}
"""


def properties(
    folder: Path, window: str, *, rate: str = "", other: str = "u_past_shift"
) -> dict[str, str]:
    path = folder / "pumps.yaml"
    path.write_text(_CONFIG.format(window=window, rate=rate, other=other))
    return framing_properties(load_config(path))


def test_windows_in_s_are_cut_at_the_nominal_rate_as_the_assembly_does(tmp_path):
    # 2 s at 10 Hz are 20 samples; half of them is the hop.
    text = properties(
        tmp_path, "{length_s: 2, hop: 0.5, history: 3}", rate=", sampling_rate_hz: 10"
    )
    assert json.loads(text["framing"]) == {
        "channels": ["u"],
        "size": 20,
        "hop": 10,
        "rate_hz": 10.0,
        "length_s": 2.0,
        "history": 3,
        "past": {"u": ["u_past_distance", "u_past_shift", "u_past_spread"]},
    }


@pytest.mark.parametrize(
    ("window", "other", "reason"),
    [
        ("{length_s: 2}", "load", "the features have no common sampling_rate_hz"),
        ("{num_samples: 10}", "load", "`u` has num_samples 20, and a window 10 samples"),
        ("{num_samples: 20}", "window_end", "`window_end` differs between the windows"),
        ("{num_samples: 20}", "num_samples", "`num_samples` has the name of an input"),
    ],
)
def test_what_the_graph_cannot_cut_is_said(tmp_path, window, other, reason):
    assert reason in properties(tmp_path, window, other=other)["no_framing"]


def test_a_use_case_without_windows_has_nothing_of_it():
    assert framing_properties(load_config(Path("configs/signals.yaml"))) == {}
