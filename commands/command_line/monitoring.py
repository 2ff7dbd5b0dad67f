"""Commands that watch a model in service."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import by_option, json_option, model_options, output_option
from commands.command_line.program import main


@main.command()
@model_options
@click.option("--watch", is_flag=True, help="Keep running until stopped.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Seconds between two looks, with --watch.",
)
@click.option(
    "--release",
    type=click.IntRange(min=0),
    metavar="CHUNK",
    help="Release a chunk from quarantine instead: its data are right. Needs --why.",
)
@click.option("--why", default="", help="Reason of --release.")
@by_option
@exits_cleanly
def monitor(**options: Any) -> int:
    """Watch the requests and answers of a served model.

    Recorded requests are divided into chunks, by default one a day in UTC. Each finished chunk is
    processed once. A chunk with broken data is quarantined and kept out of the training data. The
    others are compared with the training data of the version that answered, and recall, precision
    and cost are estimated without labels. Once the labels have arrived, these are measured, and the
    estimates are graded. monitoring.false_alarms_per_year bounds the expected number of false
    alarms a year, all kinds together.

    \b
    faultline monitor                      process new chunks once, for example from cron
    faultline monitor --watch              look every 30 seconds, and deliver alarms
    faultline alarms                       list open alarms and what to do
    faultline monitor --release 12 --why "the new firmware sends these values"
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.monitoring.monitor import MonitorOrder
    from commands.monitoring.monitor import monitor as take_chunks

    return take_chunks(MonitorOrder(**options))


@main.group(invoke_without_command=True)
@click.option("--all", "with_closed", is_flag=True, help="Also list closed alarms.")
@model_options
@click.pass_context
def alarms(context: click.Context, /, *, with_closed: bool, **options: Any) -> None:
    """List the open alarms of the monitor.

    \b
    faultline alarms                       list open alarms, with their start and cost
    faultline explain-alarm a3             compare with training; show examples and causes
    faultline alarms acknowledge a3 --why "sensor is being replaced"
    faultline alarms close a3 --why "sensor was replaced"
    faultline alarms test                  send a test alarm to all receivers
    """  # noqa: D301 - as above
    # Options before a subcommand apply to it too.
    context.default_map = dict.fromkeys(alarms.commands, options)
    if context.invoked_subcommand is None:
        _list_alarms(with_closed=with_closed, **options)


@exits_cleanly
def _list_alarms(*, with_closed: bool, **options: Any) -> int:
    from commands.monitoring.alarms import print_alarms
    from commands.queries import Place

    return print_alarms(Place(**options), with_closed=with_closed)


@alarms.command("acknowledge")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Reason, kept with the alarm.")
@by_option
@model_options
@exits_cleanly
def alarms_acknowledge(id_: str, why: str, by: str | None, **options: Any) -> int:
    """Acknowledge the alarm ID: it stays open, but is neither sent again nor escalated."""
    from commands.monitoring.alarms import acknowledge
    from commands.queries import Place

    return acknowledge(Place(**options), id_, by=by, why=why)


@alarms.command("close")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Reason, kept with the alarm.")
@by_option
@model_options
@exits_cleanly
def alarms_close(id_: str, why: str, by: str | None, **options: Any) -> int:
    """Close the alarm ID; the same problem then raises a new one.

    The monitor itself closes alarms whose cause is gone or whose version no longer answers.
    """
    from commands.monitoring.alarms import close
    from commands.queries import Place

    return close(Place(**options), id_, by=by, why=why)


@alarms.command("test")
@model_options
@exits_cleanly
def alarms_test(**options: Any) -> int:
    """Send a test alarm to all receivers in `monitoring.deliver`; exits with 1 if one fails."""
    from commands.monitoring.alarms import send_test
    from commands.queries import Place

    return send_test(Place(**options))


@main.command("explain-alarm")
@click.argument("id_", metavar="ID")
@model_options
@exits_cleanly
def explain_alarm(id_: str, **options: Any) -> int:
    """Explain the alarm ID: what happened, and why.

    It compares training and production for each feature concerned, and shows a few requests, likely
    causes and what to do.
    """
    quiet_libraries()
    from commands.monitoring.alarms import print_explanation
    from commands.queries import Place

    return print_explanation(Place(**options), id_)


@main.command()
@click.argument("request_id", metavar="REQUEST")
@model_options
@exits_cleanly
def replay(request_id: str, **options: Any) -> int:
    """Answer REQUEST again, and compare the answers bit for bit.

    The version that answered then answers again. Prints the record, the version, and the run, code,
    data and environment that it came from. Exits with code 1 if an answer differs.
    """
    quiet_libraries()
    from commands.monitoring.replay import replay_request
    from commands.queries import Place

    return replay_request(Place(**options), request_id)


@main.command()
@output_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="IP address that it listens on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9464,
    show_default=True,
    help="Port that it listens on; 0 picks a free one.",
)
@click.option("--once", is_flag=True, help="Print the metrics and end.")
@exits_cleanly
def metrics(output: Path, host: str, port: int, *, once: bool) -> int:
    """Serve production metrics for Prometheus.

    Those of gateways, rollouts, monitors and retraining are read from the output folder at each
    scrape. /metrics has them, /targets the servers behind gateways, whose own metrics Prometheus
    scrapes too:

    \b
    faultline metrics
    faultline metrics --once
    prometheus --config.file=serving/deploy/prometheus/prometheus.yml
    """  # noqa: D301 - as above
    from commands.monitoring.metrics import print_metrics, serve_metrics

    return print_metrics(output) if once else serve_metrics(output, host=host, port=port)


@main.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...|all|list")
@click.option("--short", is_flag=True, help="A small model and short days: weaker guards.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Seed of every random draw.",
)
@output_option
@json_option
@exits_cleanly
def simulate(
    scenarios: tuple[str, ...], output: Path, *, short: bool, seed: int, as_json: bool
) -> int:
    """Simulate months of production with injected faults.

    A plant of simulated magnets sends its requests through a real gateway to real servers on the
    loopback; monitor, rollout and retraining work as in production. Each scenario injects one
    fault. The scorecard says which guard noticed it, after how many chunks, how many wrong answers
    clients got meanwhile and what they cost, and whether the right action followed without a
    person. Needs Envoy: make gateway.

    \b
    faultline simulate list
    faultline simulate stuck_sensor worse_candidate
    faultline simulate all --output /tmp/flight

    The model is trained once and kept in the output folder. Exit code 1: fewer than 90 % of the
    harmful scenarios were noticed within three chunks and handled, or there was a false alarm.
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.monitoring.simulate import simulate as fly

    return fly(scenarios, output, short=short, seed=seed, as_json=as_json)
