import io
import json
import logging
import os
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import InputError
from common.logs import LogFormat, set_up_logs
from common.processes import free_ports
from pipeline.production_options.delivery import Email, Receivers
from production.monitoring.alarms.alarm import Alarm, Kind, Loss
from production.monitoring.alarms.messages import Message
from production.monitoring.alarms.receivers import DeliveryError, Receiver, make_receivers
from tests.production.monitoring.alarms.findings import NOON, finding
from tests.production.monitoring.alarms.servers import LocalServer, mail_server, web_server
from tests.serving.certificates import Identity, make_identity

MESSAGE = Message(
    alarm=Alarm.of(
        finding(loss=Loss(recall_points=-4.2, lower=-8.0, upper=-1.0)), id="a1", raised=NOON
    ),
    reason="opened",
)


@pytest.fixture
def web() -> Iterator[LocalServer]:
    with web_server() as server:
        yield server


def only(options: Receivers, folder: Path = Path(), **environ: str) -> Receiver:
    (receiver,) = make_receivers(options, environ, folder)
    return receiver


def test_a_webhook_gets_json_with_a_key_of_its_own(web):
    receiver = only(Receivers(webhook="$ALARMS"), ALARMS=f"http://127.0.0.1:{web.port}/secret")
    receiver.send(MESSAGE, timeout_s=5)
    (body,), (headers,) = web.bodies, web.headers
    assert body["alarm"] == MESSAGE.alarm.to_json()
    assert (body["reason"], body["escalated"]) == ("opened", False)
    assert headers["Idempotency-Key"] == body["key"] == "pump-a1-20261127T120000-opened-1"
    assert receiver.name == f"webhook 127.0.0.1:{web.port}"


def test_logs_do_not_name_the_url_of_a_webhook(web):
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logs(LogFormat.JSON, stream)
    try:
        url = f"http://127.0.0.1:{web.port}/s3cret?token=s3cret"
        only(Receivers(webhook="$ALARMS"), ALARMS=url).send(MESSAGE, timeout_s=5)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert len(web.bodies) == 1
    assert "s3cret" not in stream.getvalue()


@pytest.mark.parametrize("status", [302, 400, 500])
def test_an_answer_other_than_2xx_is_no_delivery(web, status):
    web.status = status
    receiver = only(Receivers(webhook=f"http://127.0.0.1:{web.port}/"))
    with pytest.raises(DeliveryError, match=f"the answer was status {status}"):
        receiver.send(MESSAGE, timeout_s=5)


def test_a_slow_webhook_is_waited_for_no_longer_than_allowed(web):
    web.pause_s = 2.0
    receiver = only(Receivers(webhook=f"http://127.0.0.1:{web.port}/"))
    began_s = time.monotonic()
    with pytest.raises(DeliveryError, match=r"no answer within 0\.2 s"):
        receiver.send(MESSAGE, timeout_s=0.2)
    assert time.monotonic() - began_s < 2.0


def test_a_webhook_that_refuses_connections_names_no_secret():
    (port,) = free_ports(1)
    receiver = only(Receivers(webhook="$ALARMS"), ALARMS=f"http://127.0.0.1:{port}/s3cret?t=s3cret")
    with pytest.raises(DeliveryError, match=r"no connection: .*refused") as caught:
        receiver.send(MESSAGE, timeout_s=5)
    assert "s3cret" not in f"{caught.value} {receiver.name}"


@pytest.mark.parametrize(
    ("environ", "problem"), [({}, "is not set"), ({"ALARMS": "s3cret"}, "holds no URL")]
)
def test_a_variable_without_an_url_is_refused(environ, problem):
    with pytest.raises(InputError, match=f"variable ALARMS, which {problem}") as caught:
        only(Receivers(webhook="$ALARMS"), **environ)
    assert "s3cret" not in str(caught.value)


def email(server: LocalServer, **values: object) -> Receivers:
    given = {"host": "127.0.0.1", "port": server.port, "sender": "pump@plant.example"}
    return Receivers(
        email=Email(**{**given, "to": ["shift@plant.example"], "starttls": False, **values})
    )


def test_a_mail_says_what_happened_and_what_to_do():
    with mail_server() as server:
        only(email(server)).send(MESSAGE, timeout_s=5)
        (mail,) = server.mails
    assert mail["Subject"] == "[warning] pump/100: drift (a1)"
    assert mail["Message-ID"] == f"<{MESSAGE.key}@faultline>"
    assert (mail["From"], mail["To"]) == ("pump@plant.example", "shift@plant.example")
    text = mail.get_payload()
    assert "`pressure` has drifted." in text
    assert "Since: 2026-11-25 12:00 UTC" in text
    assert "Estimated change: recall -4.2 points [-8.0, -1.0]" in text
    assert "faultline explain-alarm a1 --model pump" in text


def test_a_measured_loss_is_not_called_an_estimate():
    measured = finding(kind=Kind.MEASURED_LOSS, loss=Loss(recall_points=-4.2))
    message = Message(alarm=Alarm.of(measured, id="a1", raised=NOON), reason="opened")
    assert "\nMeasured change: recall -4.2 points\n" in message.text


def test_a_message_has_the_unit_of_the_cost():
    loss = Loss(cost_per_day=310.0, unit="EUR", lower=120.0, upper=520.0)
    message = Message(alarm=Alarm.of(finding(loss=loss), id="a1", raised=NOON), reason="opened")
    assert "\nEstimated change: +310 EUR a day [+120, +520]\n" in message.text
    assert message.to_json()["alarm"]["loss"]["unit"] == "EUR"


def test_a_mail_that_the_server_refuses_is_no_delivery():
    with mail_server() as server:
        server.refuses = True
        with pytest.raises(DeliveryError, match="550"):
            only(email(server)).send(MESSAGE, timeout_s=5)


def test_each_address_is_a_receiver_of_its_own():
    with mail_server() as server:
        options = email(server, to=["shift@plant.example", "lead@plant.example"])
        first, second = make_receivers(options, {}, Path())
        assert [first.name, second.name] == [
            "email shift@plant.example",
            "email lead@plant.example",
        ]
        second.send(MESSAGE, timeout_s=5)
        assert server.recipients == ["lead@plant.example"]
        (mail,) = server.mails
    assert mail["To"] == "shift@plant.example, lead@plant.example"


def test_a_mail_server_that_is_not_there_is_no_delivery():
    with mail_server() as server:
        receiver = only(email(server))
    with pytest.raises(DeliveryError, match="refused"):
        receiver.send(MESSAGE, timeout_s=5)


@pytest.fixture(scope="module")
def identity() -> Identity:
    return make_identity("127.0.0.1")


@pytest.fixture
def tls(identity, tmp_path) -> ssl.SSLContext:
    path = tmp_path / "identity.pem"
    path.write_bytes(identity.key_pem + identity.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


LOGIN = {"starttls": True, "user": "pump", "password_file": "password"}


def test_a_login_is_encrypted(identity, tls, tmp_path, monkeypatch):
    (tmp_path / "password").write_text("lovelace\n")
    (tmp_path / "ca.pem").write_bytes(identity.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with mail_server(tls) as server:
        only(email(server, **LOGIN), tmp_path).send(MESSAGE, timeout_s=5)
        assert (server.login, len(server.mails)) == (b"\0pump\0lovelace", 1)


def test_a_refused_login_does_not_repeat_the_password(identity, tls, tmp_path, monkeypatch):
    (tmp_path / "password").write_text("s3cret\n")
    (tmp_path / "ca.pem").write_bytes(identity.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with mail_server(tls) as server:
        with pytest.raises(DeliveryError, match="the login was refused with 535") as caught:
            only(email(server, **LOGIN), tmp_path).send(MESSAGE, timeout_s=5)
        assert "s3cret" not in str(caught.value)


def test_a_password_that_cannot_be_sent_is_not_quoted(identity, tls, tmp_path, monkeypatch):
    (tmp_path / "password").write_text("s3crët\n")
    (tmp_path / "ca.pem").write_bytes(identity.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with mail_server(tls) as server, pytest.raises(DeliveryError, match="characters") as caught:
        only(email(server, **LOGIN), tmp_path).send(MESSAGE, timeout_s=5)
    assert "xeb" not in str(caught.value)  # ë


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_with_an_untrusted_certificate_gets_no_password(tls, tmp_path, capsys):
    (tmp_path / "password").write_text("lovelace\n")
    with mail_server(tls) as server:
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            only(email(server, **LOGIN), tmp_path).send(MESSAGE, timeout_s=5)
        assert server.login == b""
    capsys.readouterr()  # socketserver prints the broken handshake


def test_a_missing_password_file_is_refused_at_the_start(tmp_path):
    with mail_server() as server, pytest.raises(InputError, match=r"names .*password, which is no"):
        only(email(server, **LOGIN), tmp_path)


def python(*lines: str) -> Receivers:
    return Receivers(command=[sys.executable, "-c", "\n".join(lines)])


def test_a_command_gets_json_on_standard_input(tmp_path):
    receiver = only(
        python("import sys", "open('alarm.json', 'w').write(sys.stdin.read())"), tmp_path
    )
    receiver.send(MESSAGE, timeout_s=30)
    assert json.loads((tmp_path / "alarm.json").read_text()) == MESSAGE.to_json()
    assert receiver.name == f"command {sys.executable}"


def test_a_command_that_fails_is_no_delivery(tmp_path):
    with pytest.raises(DeliveryError, match="exit code 3"):
        only(python("raise SystemExit(3)"), tmp_path).send(MESSAGE, timeout_s=30)


def test_a_command_that_is_not_there_is_no_delivery(tmp_path):
    receiver = only(Receivers(command=["./no_such_program"]), tmp_path)
    with pytest.raises(DeliveryError, match="cannot be started: No such file"):
        receiver.send(MESSAGE, timeout_s=30)


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path):
    command = Receivers(command=["sh", "-c", "sleep 60 & echo $! >child; wait"])
    with pytest.raises(DeliveryError, match=r"did not end within 0\.5 s"):
        only(command, tmp_path).send(MESSAGE, timeout_s=0.5)
    child = int((tmp_path / "child").read_text())
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s and _runs(child):
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a container may have no process that takes orphans over
