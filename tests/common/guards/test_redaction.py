import logging

import pytest

from common.guards import redaction
from common.guards.redaction import (
    HIDDEN,
    learn_secrets,
    redact,
    redact_args,
    redact_config,
    redact_text,
)


@pytest.fixture
def fresh(monkeypatch):
    """No secrets are known; the log records are made as before."""
    monkeypatch.setattr(redaction, "_known", set())
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize(
    "name",
    [
        "s3_secret_access_key",
        "azure_connection_string",
        "db_password",
        "PASSWD",
        "api-token",
        "credentials",
        "passphrase",
        "shared_access_signature",
    ],
)
def test_the_value_of_an_option_with_a_secrets_name_is_hidden(name):
    assert redact({name: "abc", "outer": {name: 7}}) == {name: HIDDEN, "outer": {name: HIDDEN}}
    assert redact_args([f"--{name}=abc"]) == [f"--{name}={HIDDEN}"]


def test_other_values_and_switches_stay():
    values = {"region": "eu", "parallelism": 4, "use_token": True, "secret": ""}
    assert redact(values) == values
    assert redact_args(["--region=eu", "--use_token"]) == ["--region=eu", "--use_token"]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("http://ada:lovelace@proxy:80/x", "http://ada:…@proxy:80/x"),
        ("redis://:p@ss@host", "redis://:…@host"),
        ("AccountName=a;AccountKey=abc==;Suffix=b", "AccountName=a;AccountKey=…;Suffix=b"),
        ("https://x/y?sig=abc&se=1", "https://x/y?sig=…&se=1"),
        ("user=ada password=abc", "user=ada password=…"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("monkey business", "monkey business"),
    ],
)
def test_passwords_and_keys_in_texts_are_hidden(text, redacted):
    assert redact_text(text) == redacted


def test_a_column_may_have_a_secrets_name():
    config = {
        "features": {"token_count": {"kind": "numeric", "unit": "1"}},
        "label": {"column": "key", "positive": "password"},
        "beam": {"engine": "flink", "options": {"token_count": 3}},
    }
    assert redact_config(config) == config | {
        "beam": {"engine": "flink", "options": {"token_count": HIDDEN}}
    }


def test_a_known_secret_is_hidden_in_logs_and_tracebacks(fresh, caplog):
    learn_secrets(["--api_token=hunter22", "--pin_key=1"])
    log = logging.getLogger("test")
    log.warning("sent %s", "hunter22")
    try:
        raise ValueError("no access with hunter22")
    except ValueError:
        log.exception("failed")
    assert "hunter22" not in caplog.text
    assert f"sent {HIDDEN}" in caplog.text
    assert f"no access with {HIDDEN}" in caplog.text
    # Too short to be replaced in every text.
    assert redact_text("step 1") == "step 1"
