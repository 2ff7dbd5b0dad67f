"""Requests recorded by the real server, asked again."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.replay.replay import Replay, Replayer
from serving.client import AsyncClient, Client
from tests.production.monitoring.replay.scorer import (
    NAME,
    VERSION,
    network,
    recording_server,
    rows,
)

NUM_IDS = 100


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a served version, and what it recorded: `ids.json` lists the ids."""
    output = tmp_path_factory.mktemp("output")
    network(output / "serving" / NAME / str(VERSION))
    with recording_server(output) as address, Client(address, model=NAME) as client:
        ids = [
            client.predict(rows(1 + number % 3, seed=number)).request_id
            for number in range(NUM_IDS)
        ]
    (output / "ids.json").write_text(json.dumps(ids))
    return output


@pytest.fixture
def replayer(output: Path) -> Iterator[Replayer]:
    replayer = Replayer(OutputFolder(output), NAME)
    yield replayer
    replayer.close()


def replay_all(replayer: Replayer, ids: list[str]) -> list[Replay]:
    return [replayer.replay(one) for id_ in ids for one in replayer.find(id_)]


def test_a_hundred_requests_give_the_recorded_bits(replayer, output):
    replays = replay_all(replayer, json.loads((output / "ids.json").read_text()))
    assert len(replays) == NUM_IDS
    assert [replay.recorded.request_id for replay in replays if not replay.is_same] == []
    # Each was asked as it came, one to three rows at once.
    assert [replay.batch_size for replay in replays[:4]] == [1, 2, 3, 1]
    assert len({replay.probabilities[0] for replay in replays}) > 90


def test_requests_that_the_server_batched_give_the_recorded_bits(output, tmp_path):
    (tmp_path / "serving").symlink_to(output / "serving")
    batching = tmp_path / "batching.config"
    batching.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 20000 } "
        "num_batch_threads { value: 2 }"
    )

    async def ask(address: str) -> list[str]:
        async with AsyncClient(address, model=NAME) as client:
            answers = [client.predict(rows(1, seed=number)) for number in range(NUM_IDS)]
            return [answer.request_id for answer in await asyncio.gather(*answers)]

    flags = {"enable_batching": True, "batching_parameters_file": str(batching)}
    with recording_server(tmp_path, **flags) as address:
        ids = asyncio.run(ask(address))
    replayer = Replayer(OutputFolder(tmp_path), NAME)
    replays = replay_all(replayer, ids)
    replayer.close()
    assert [replay.words for replay in replays if not replay.is_same] == []
    assert {len(replay.probabilities) for replay in replays} == {1}


def test_another_score_is_reported_with_its_distance(replayer, output):
    (id_, *_) = json.loads((output / "ids.json").read_text())
    (recorded,) = replayer.find(id_)
    place = recorded.records.column_names.index("probability")
    score = np.float32(recorded.column("probability")[0])
    # 2,000 float32 numbers further, more than any batch makes.
    other = (score.view(np.int32) + 2000).view(np.float32)
    column = pa.array([other], pa.float32())
    changed = recorded.records.set_column(place, "probability", column)
    replay = replayer.replay(dataclasses.replace(recorded, records=changed))
    assert (replay.is_same, replay.ulps) == (False, 2000)
    assert "NOT the same: probabilities differ by up to 2000 float32 steps, and 0 of 1" in (
        replay.words
    )


def test_a_request_that_failed_or_whose_version_is_gone_cannot_be_replayed(replayer, output):
    (id_, *_) = json.loads((output / "ids.json").read_text())
    (recorded,) = replayer.find(id_)
    with pytest.raises(InputError, match=r"files of pump/7 are gone"):
        replayer.replay(dataclasses.replace(recorded, version=7))
    with pytest.raises(InputError, match="it ended with UNAVAILABLE"):
        replayer.replay(dataclasses.replace(recorded, status="UNAVAILABLE"))


@pytest.mark.parametrize("action", ["drop", "hash"])
def test_a_redacted_column_cannot_be_replayed(output, tmp_path, action):
    (tmp_path / "serving").symlink_to(output / "serving")
    with (
        recording_server(tmp_path, collect={"redact": {"maker": action}}) as address,
        Client(address, model=NAME) as client,
    ):
        id_ = client.predict(rows(1, seed=0)).request_id
    replayer = Replayer(OutputFolder(tmp_path), NAME)
    (recorded,) = replayer.find(id_)
    with pytest.raises(InputError, match=r"cannot be replayed: .*`maker`.*redact"):
        replayer.replay(recorded)
    replayer.close()


def test_the_command_prints_the_rows_the_version_and_the_comparison(output):
    (_, id_, *_) = json.loads((output / "ids.json").read_text())
    args = ["replay", id_, "--model", NAME, "--output", str(output)]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert f"{id_} at " in result.output
    assert "2 rows, pump/3 (stable)" in result.output
    assert "the same, bit for bit" in result.output
    assert "lineage: not recorded: No runs yet" in result.output
    result = CliRunner().invoke(main, [*args, "--json"])
    (values,) = json.loads(result.stdout)
    assert values["replay"]["same"]
    assert values["replay"]["probabilities"] == [row["probability"] for row in values["rows"]]


def test_the_command_refuses_an_unknown_request(output):
    args = ["replay", "unknown", "--model", NAME, "--output", str(output)]
    result = CliRunner().invoke(main, args)
    assert (result.exit_code, "No request unknown is recorded" in result.output) == (2, True)
