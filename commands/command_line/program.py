"""The program itself, to which the commands are added."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="faultline")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the logs: text, or json for a line of JSON for each event.",
)
def main(log_format: str) -> None:
    """Train, validate and serve models that detect rare faults.

    \b
    faultline run                          run the default use case, signals
    faultline init data.csv --label fault  write a config and a schema for your data
    faultline run --config configs/data.yaml
    faultline step Trainer --run ID        run one step in a separate process
    faultline new wells                    make a project folder for your data
    faultline serve                        serve pushed models over gRPC and REST
    faultline predict new.csv              get predictions from the served model
    faultline runs                         list all runs
    faultline lineage latest               trace a pushed model to its data and code
    faultline notebook explore             look at the data in a notebook
    faultline labels x.csv --id i --label y  store labels of recorded requests
    faultline span                         turn labelled requests into training data
    faultline clean --keep 5               remove the output of older runs
    faultline rollback signals --why ...   serve the previous version again
    faultline rollout start --why ...      let a new version take over in steps
    faultline automation queue             list predictions that wait for a person
    faultline monitor --watch              watch requests and answers for drift and loss
    faultline alarms                       list the open alarms of the monitor
    faultline replay REQUEST               repeat a recorded request and compare the answers
    faultline loop --serve                 monitor, retrain and roll out automatically
    faultline simulate list                list the scenarios of simulated production
    faultline metrics                      serve metrics for Prometheus
    faultline package signals -t IMAGE     put a pushed model into an image that serves it

    Exit codes: 0 success, 2 bad input or anomalous data, 3 model rejected or verdict inconclusive
    (0 if the model was pushed to the shadow folder), 130 stopped by Ctrl-C (by SIGTERM 143, `serve`
    0, by SIGHUP 129), 1 any other failure.
    """  # noqa: D301 - click wants the backspace itself, not its two letters
    if log_format == "json":
        from common.logs import LogFormat, set_up_logs

        set_up_logs(LogFormat.JSON)
