"""The options of `faultline step`."""

import pytest

from commands.running.step import _request, run_part
from common.errors import InputError
from tests.e2e.harness import write_wells

NONE = dict.fromkeys(("config_path", "window", "span", "seed", "metadata_url", "steps"))


def test_minus_one_leaves_span_and_window_to_the_config(tmp_path):
    request = _request("r1", NONE | {"config_path": tmp_path, "span": -1, "window": -1, "seed": 3})
    overrides = request.overrides
    assert (overrides.span, overrides.window, overrides.seed) == (None, None, 3)


def test_minus_one_is_no_seed(tmp_path):
    config_path = write_wells(tmp_path, "")
    with pytest.raises(InputError, match="does not take --seed -1"):
        run_part(
            "begin", "r1", tmp_path / "output", NONE | {"config_path": config_path, "seed": -1}
        )
    assert not (tmp_path / "output").exists()


def test_the_beginning_needs_a_config(tmp_path):
    with pytest.raises(InputError, match="`begin` needs --config"):
        run_part("begin", "r1", tmp_path, NONE)


@pytest.mark.parametrize("step", ["Trainer", "end"])
def test_other_steps_take_what_the_run_began_with(step, tmp_path):
    given = NONE | {"config_path": tmp_path, "metadata_url": "mysql://ops@host/runs"}
    with pytest.raises(InputError, match=r"^--config, --metadata-url: only for `begin`"):
        run_part(step, "r1", tmp_path, given)
