import json

import pytest
from click.testing import CliRunner

from commands.command_line import main
from production.simulation.scenarios import SCENARIOS


def simulate(*arguments):
    return CliRunner().invoke(main, ["simulate", *arguments])


def test_the_list_names_every_scenario_and_its_guards():
    listed = json.loads(simulate("list", "--json").stdout)
    assert [one["name"] for one in listed] == list(SCENARIOS)
    [worse] = [one for one in listed if one["name"] == "worse_candidate"]
    assert (worse["guards"], worse["right_action"]) == (["rollout"], "roll back")


@pytest.mark.parametrize("names", [["no_such"], ["quiet", "no_such"]])
def test_an_unknown_scenario_is_an_error_that_says_where_the_list_is(names, tmp_path):
    done = simulate(*names, "--output", str(tmp_path / "output"))
    assert done.exit_code == 2
    assert "There is no scenario no_such. `faultline simulate list` lists them" in done.output
    assert not (tmp_path / "output").exists()
