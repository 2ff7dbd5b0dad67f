import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.production_options.delivery import Delivery, Email
from pipeline.production_options.monitoring import MonitoringOptions


def email(values: dict[str, object]) -> Email:
    return Email(
        **{"host": "smtp.example", "sender": "a@plant.example", "to": ["b@plant.example"]} | values
    )


@pytest.mark.parametrize(
    "webhook", ["$ALARMS", "https://alarms.example/faultline", "http://127.0.0.1:8080/a"]
)
def test_a_webhook_is_a_variable_or_an_url(webhook):
    assert Delivery(webhook=webhook).webhook == webhook


@pytest.mark.parametrize(
    ("webhook", "message"),
    [
        ("alarms.example", "must be an URL such as"),
        ("ftp://alarms.example", "must be an URL such as"),
        ("http://[::1", "must be an URL such as|Invalid"),
        ("$1", "must be an URL such as"),
        ("https://alarms.example/?token=abc", "Put the URL into an environment variable"),
        ("https://ada:lovelace@alarms.example/", "Put the URL into an environment variable"),
    ],
)
def test_another_webhook_is_refused(webhook, message):
    with pytest.raises(ValidationError, match=message):
        Delivery(webhook=webhook)


def test_a_login_needs_a_password_and_encryption():
    with pytest.raises(ValidationError, match="user and password_file go together"):
        email({"user": "wells"})
    with pytest.raises(ValidationError, match="a login needs starttls"):
        email({"user": "wells", "password_file": "p.txt", "starttls": False})


def test_a_password_in_the_config_is_an_unknown_key():
    with pytest.raises(ValidationError, match="password"):
        email({"user": "wells", "password": "lovelace"})


def test_an_address_needs_an_at_sign():
    with pytest.raises(ValidationError, match="sender"):
        email({"sender": "wells"})


def test_escalation_can_have_receivers_of_its_own():
    options = TypeAdapter(MonitoringOptions).validate_python(
        {
            "deliver": {"webhook": "$A", "escalate_to": {"command": ["page", "wells"]}},
            "escalate_after_hours": 4,
        }
    )
    assert options.deliver.escalate_to is not None
    assert options.deliver.escalate_to.command == ["page", "wells"]


@pytest.mark.parametrize("key", ["repeat_hours", "escalate_after_hours"])
def test_hours_are_above_zero(key):
    with pytest.raises(ValidationError, match=key):
        MonitoringOptions(**{key: 0})
