"""`faultline predict` with a config that trusts signed models only."""

import shutil

import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.signing.signatures import SIGNATURE_FILE, sign_folder
from tests.pipeline.prediction.readings import CONFIG, write_config, write_parquet
from tests.signed_versions import make_pair

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def trusting(tmp_path):
    """The config, which trusts one key."""
    make_pair(tmp_path / "keys")
    return write_config(tmp_path, CONFIG + "signing: {public_keys: [keys/model-key.pub]}")


@pytest.fixture
def output(pushed, tmp_path):
    """An output folder with an unsigned version 7 of `readings`."""
    return shutil.copytree(pushed, tmp_path / "output")


def _sign(output, tmp_path):
    version = output / "serving" / "readings" / "7"
    draft = version.rename(version.with_name("readings@7"))
    sign_folder(draft, make_pair(tmp_path / "keys").read())
    return draft.rename(version)


def _predict(config, output, tmp_path, *more):
    data = write_parquet(tmp_path / "data.parquet")
    arguments = ["predict", str(data), "--config", str(config), "--output", str(output)]
    return CliRunner().invoke(main, [*arguments, *map(str, more)])


def test_the_batch_takes_a_signed_version_and_refuses_a_changed_one(trusting, output, tmp_path):
    version = _sign(output, tmp_path)
    folder = tmp_path / "predictions"
    done = _predict(trusting, output, tmp_path, "--batch", "--output-file", folder)
    assert done.exit_code == 0, done.output
    assert "3 rows predicted by readings version 7" in done.output
    content = bytearray((version / "saved_model.pb").read_bytes())
    content[-1] ^= 1
    (version / "saved_model.pb").write_bytes(content)
    done = _predict(trusting, output, tmp_path, "--batch", "--output-file", tmp_path / "more")
    assert done.exit_code == 2
    assert "trusts signed models only" in done.output
    assert "the content of saved_model.pb changed" in done.output
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("batch", [True, False])
def test_an_unsigned_version_is_refused(trusting, output, tmp_path, batch):
    """Without --batch, the version on this machine says how rows are read."""
    results = tmp_path / ("predictions" if batch else "predictions.csv")
    done = _predict(
        trusting, output, tmp_path, *(["--batch"] if batch else []), "--output-file", results
    )
    assert done.exit_code == 2
    assert f"has no signature: there is no {SIGNATURE_FILE}" in done.output
    assert not results.exists()
