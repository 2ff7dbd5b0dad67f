"""Versions that appear, disappear, fail and get labels while the server runs."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.serving.contract.launching import eventually
from tests.serving.contract.lifecycle import (
    AVAILABLE,
    END,
    LOADING,
    Models,
)

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
RETRY_S = 3.0


@pytest.fixture(scope="module")
def models(launch, tmp_path_factory) -> Models:
    """A server with one model, `first`; one retry of a load, after three seconds."""
    from tests.serving.contract.models import model_config

    folder = tmp_path_factory.mktemp("lifecycle")
    push(folder / "first", "1")
    config = folder / "models.config"
    config.write_text(model_config({"first": (folder / "first", "")}), encoding="utf-8")
    server = launch(
        model_config_file=config,
        file_system_poll_wait_seconds=1,
        max_num_load_retries=1,
        load_retry_interval_micros=int(RETRY_S * 1e6),
    )
    return Models(server.wait_until_open(), folder)


def push(base: Path, version: str, *, offset: float | None = None) -> Path:
    """Adds a version at once, by a rename; the offset is the version unless given."""
    from tests.serving import tiny_models

    written = base.parent / f".{base.name}-{version}"
    tiny_models.half_plus_two(written, offset=float(version) if offset is None else offset)
    base.mkdir(exist_ok=True)
    return Path(shutil.move(written, base / version))


def push_broken(base: Path, version: str) -> Path:
    from tests.serving import tiny_models

    written = tiny_models.broken(base.parent / f".{base.name}-{version}")
    return Path(shutil.move(written, base / version))


@row("lifecycle: poll")
@row("lifecycle: latest 1 by default")
@row("lifecycle: unloaded versions stay listed as END")
def test_a_new_version_takes_over(models):
    push(models.folder / "a", "1")
    models.reload(a="")
    assert (models.states("a"), models.offset("a")) == ({"1": AVAILABLE}, 1.0)
    push(models.folder / "a", "2")
    models.wait_for("a", {"2": AVAILABLE, "1": END})
    assert models.offset("a") == 2.0
    assert models.predict("a/versions/1").error == "Servable not found for request: Specific(a, 1)"


@row("lifecycle: names of version folders")
def test_folder_names_are_integers_or_skipped(models):
    base = models.folder / "numbers"
    push(base, "00000123")
    for other in ("tmp", "v5", "12x", "1.5"):
        (base / other).mkdir()
    models.reload(numbers="model_version_policy { all {} }")
    assert models.states("numbers") == {"123": AVAILABLE}
    assert models.offset("numbers/versions/123") == 123.0


@row("lifecycle: policies")
def test_policies_choose_the_versions(models):
    for version in ("1", "2", "3"):
        push(models.folder / "p", version)
    models.reload(p="model_version_policy { latest { num_versions: 2 } }")
    models.wait_for("p", {"3": AVAILABLE, "2": AVAILABLE})
    models.reload(p="model_version_policy { all {} }")
    models.wait_for("p", dict.fromkeys("321", AVAILABLE))
    models.reload(p="model_version_policy { specific { versions: 1 versions: 3 } }")
    models.wait_for("p", {"3": AVAILABLE, "2": END, "1": AVAILABLE})
    assert [models.offset(f"p/versions/{version}") for version in (1, 3)] == [1.0, 3.0]


@row("lifecycle: overwriting in place does not reload")
def test_a_version_that_is_overwritten_stays_as_it_was_loaded(models):
    push(models.folder / "o", "1")
    models.reload(o="")
    shutil.rmtree(models.folder / "o" / "1")
    push(models.folder / "o", "1", offset=7.0)
    models.stay("o", {"1": AVAILABLE})
    assert models.offset("o") == 1.0


@row("lifecycle: one missing base path stops the poll of all")
def test_a_missing_base_path_stops_every_model(models):
    push(models.folder / "here", "1")
    push(models.folder / "gone", "1")
    models.reload(here="", gone="")
    shutil.move(models.folder / "gone", models.folder / "elsewhere")
    # A poll that listed both folders before the move has ended once the server logs this.
    eventually(lambda: "Could not find base path" in models.server.output())
    push(models.folder / "here", "2")
    models.stay("here", {"1": AVAILABLE})
    assert models.states("gone") == {"1": AVAILABLE}
    shutil.move(models.folder / "elsewhere", models.folder / "gone")
    models.wait_for("here", {"2": AVAILABLE, "1": END})


@row("lifecycle: an empty base path unloads everything")
def test_an_empty_base_path_unloads_everything(models):
    version = push(models.folder / "emptied", "1")
    models.reload(emptied="")
    shutil.move(version, models.folder / ".taken-out")
    models.wait_for("emptied", {"1": END})
    assert models.predict("emptied").status == 404


@row("lifecycle: load new before unloading old")
def test_no_request_fails_while_versions_change(models):
    push(models.folder / "swap", "1")
    models.reload(swap="")
    failed, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = models.predict("swap")
            if answer.status != 200:
                failed.append(answer.body)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for version in ("2", "3"):
            push(models.folder / "swap", version)
            models.wait_for(
                "swap", {older: END for older in "12" if older < version} | {version: AVAILABLE}
            )
    finally:
        done.set()
        asking.join()
    assert not failed


@row("lifecycle: a broken version ends, the old one serves")
@row("lifecycle: retries, LOADING meanwhile")
@row("lifecycle: not retried afterwards")
def test_a_broken_version_ends_and_the_old_one_goes_on(models):
    push(models.folder / "b", "1")
    models.reload(b="")
    broken = push_broken(models.folder / "b", "2")
    models.wait_for("b", {"2": LOADING, "1": AVAILABLE})
    models.stay("b", {"2": LOADING, "1": AVAILABLE}, duration_s=RETRY_S / 2)
    models.wait_for("b", {"2": END, "1": AVAILABLE})
    status = models.statuses("b")["2"]["status"]
    assert status["error_code"] != "OK"
    assert status["error_message"]
    assert models.offset("b") == 1.0
    shutil.rmtree(broken)
    push(models.folder / "b", "2")
    models.stay("b", {"2": END, "1": AVAILABLE})
    assert models.offset("b") == 1.0


@row("lifecycle: a retry holds up other transitions")
def test_other_models_wait_while_a_broken_version_is_retried(models):
    for name in ("held-up", "retried"):
        push(models.folder / name, "1")
    models.reload(**{"held-up": "", "retried": ""})
    push_broken(models.folder / "retried", "2")
    models.wait_for("retried", {"2": LOADING, "1": AVAILABLE})
    push(models.folder / "held-up", "2")
    # Loading happens in one thread: while it waits for the retry, nothing else is loaded.
    early: list[bool] = []

    def retry_is_over() -> bool:
        is_loaded = models.states("held-up").get("2") == AVAILABLE
        is_over = models.states("retried")["2"] != LOADING
        early.append(is_loaded and not is_over)
        return is_over

    eventually(retry_is_over)
    assert not any(early)
    models.wait_for("held-up", {"2": AVAILABLE, "1": END})


STABLE = 'version_labels {{ key: "stable" value: {} }}'


@row("lifecycle: a label needs an available version")
def test_a_label_of_a_version_that_is_not_available(models):
    push(models.folder / "m", "1")
    models.reload(m="")
    code, message = models.refused(m=STABLE.format(9))
    assert code == "FAILED_PRECONDITION"
    expected = (
        "Request to assign label to version 9 of model m, "
        "which is not currently available for inference"
    )
    assert message.startswith(expected)
    models.reload(m=STABLE.format(1))
    assert models.offset("m/labels/stable") == 1.0


@row("lifecycle: labels are checked before new versions load")
def test_a_new_version_is_labelled_by_a_second_reload(models):
    push(models.folder / "twice", "1")
    models.reload(twice="")
    push(models.folder / "twice", "2")
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    assert models.refused(twice=both + STABLE.format(2))[0] == "FAILED_PRECONDITION"
    models.reload(twice=both)
    models.wait_for("twice", {"2": AVAILABLE, "1": AVAILABLE})
    models.reload(twice=both + STABLE.format(2))
    assert models.offset("twice/labels/stable") == 2.0


@row("gRPC: HandleReloadConfigRequest")
@row("lifecycle: reload replaces the whole config")
def test_a_model_that_is_left_out_is_unloaded(models):
    for name in ("stays", "leaves"):
        push(models.folder / name, "1")
    models.reload(stays="", leaves="")
    models.reload(stays="")
    models.wait_for("leaves", {"1": END})
    message = "Servable not found for request: Latest(leaves)"
    assert models.predict("leaves").error == message
    assert models.offset("stays") == 1.0


@row("lifecycle: reload waits for new models only")
def test_reload_waits_for_a_new_model_but_for_no_new_version(models):
    push(models.folder / "known", "1")
    models.reload(known="")
    assert models.states("known") == {"1": AVAILABLE}
    # The wait before the retry of a broken version is longer than the reload takes.
    push_broken(models.folder / "known", "2")
    models.wait_for("known", {"2": LOADING, "1": AVAILABLE})
    begun = time.monotonic()
    models.reload(known="model_version_policy { latest { num_versions: 2 } }")
    assert time.monotonic() - begun < RETRY_S / 2
    models.wait_for("known", {"2": END, "1": AVAILABLE})


@row("lifecycle: a model listed twice")
def test_a_model_is_listed_once(models):
    request = models.request({"first": ""})
    entries = request.config.model_config_list.config
    entries.append(entries[0])
    from tests.serving.contract.wires import refusal

    code, message = refusal(models.server.grpc.models.HandleReloadConfigRequest, request)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("Illegal to list model first multiple times in config list")


@row("lifecycle: a relative base path")
def test_a_base_path_is_absolute(models):
    code, message = models.refused(first=("models/first", ""))
    assert code == "INVALID_ARGUMENT"
    expected = "Expected model first to have an absolute path or URI; got base_path()=models/first"
    assert message.startswith(expected)


@row("lifecycle: logging_config")
def test_requests_cannot_be_logged(models):
    push(models.folder / "logged", "1")
    logging = (
        "logging_config { log_collector_config { type: 'x' filename_prefix: '/tmp/x' } "
        "sampling_config { sampling_rate: 1.0 } }"
    )
    got = models.refused(logged=logging)
    assert got == ("INVALID_ARGUMENT", "No request-logger-creator provided.")


@row("lifecycle: config file polling")
def test_the_config_file_is_read_once_by_default(models):
    push(models.folder / "late", "1")
    from tests.serving.contract.models import model_config

    text = model_config({"late": (models.folder / "late", "")})
    (models.folder / "models.config").write_text(text, encoding="utf-8")
    models.stay("late", {})


def push_warmed(models: Models, name: str, version: str, write_requests) -> None:
    """Adds a version together with its warm-up requests, by a rename."""
    written = push(models.folder / f".warming-{name}", version)
    write_requests(written)
    shutil.move(written, models.folder / name / version)


@row("warm-up: at most 1000 requests, failure fails the load")
@pytest.mark.parametrize(
    ("name", "warm_up", "loads"),
    [
        pytest.param("warm", {}, True, marks=row("warm-up: the file")),
        pytest.param("cold", {"signature_name": "s"}, False, id="unknown signature"),
        pytest.param("thousand", {"num_requests": 1000}, True, id="1000 requests"),
        pytest.param("crowd", {"num_requests": 1001}, False, id="1001 requests"),
    ],
)
def test_a_failed_warm_up_fails_the_load(models, name, warm_up, loads):
    from tests.serving.contract.models import write_warm_up

    push(models.folder / name, "1")
    models.reload(**{name: ""})
    push_warmed(models, name, "2", lambda version: write_warm_up(version, **warm_up))
    models.wait_for(name, {"2": AVAILABLE, "1": END} if loads else {"2": END, "1": AVAILABLE})
    assert models.offset(name) == (2.0 if loads else 1.0)


@row("warm-up: the file")
def test_a_warm_up_file_that_is_no_tfrecord_fails_the_load(models):
    def write_noise(version: Path) -> None:
        (version / "assets.extra").mkdir()
        (version / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"noise" * 20)

    push(models.folder / "torn", "1")
    models.reload(torn="")
    push_warmed(models, "torn", "2", write_noise)
    models.wait_for("torn", {"2": END, "1": AVAILABLE})
