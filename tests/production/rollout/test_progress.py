"""Files beside the journal: read as they were written, and named where they cannot be read."""

from functools import partial

import pytest

from common.errors import InputError
from production.rollout.markers import Applied, read_applied, write_applied
from production.rollout.progress import (
    Health,
    Progress,
    key_of,
    read_health,
    read_progress,
    write_health,
    write_progress,
)
from tests.production.automation.situations import CANARY

KEY = key_of(CANARY)
FILES = [
    ("applied.json", Applied(sequence=3, problem="no", problem_of=2), write_applied, read_applied),
    (
        "progress.json",
        Progress(rollout=KEY, num_pairs=7),
        write_progress,
        partial(read_progress, rollout=CANARY),
    ),
    (
        "candidate.json",
        Health(rollout=KEY, num_ends=2),
        write_health,
        partial(read_health, rollout=CANARY),
    ),
]


@pytest.mark.parametrize(("name", "values", "write", "read"), FILES)
def test_a_file_is_read_as_it_was_written(tmp_path, name, values, write, read):
    assert read(tmp_path) is None
    write(tmp_path, values)
    assert read(tmp_path) == values


@pytest.mark.parametrize(("name", "values", "write", "read"), FILES)
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"next": 1}', b"\xff", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, values, write, read, content):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name} cannot be read: .* Remove it"):
        read(tmp_path)
