"""The taxi pipeline as TFX's template has it, stock component by stock component.

The template's `preprocessing_fn` and `run_fn` are imported from the installed tfx, not copied; only
the wiring is ours, with every step that the template names. It is the measure that Faultline's own
taxi run is compared with:

    python benchmarks/stock_taxi.py --output /tmp/stock
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

TEMPLATE = "tfx.experimental.templates.taxi.models"
TRAIN_STEPS, EVAL_STEPS = 100, 50


def taxi_data() -> Path:
    """Returns the folder of the 15,002 trips in the tfx wheel, with the template's label `tips`."""
    spec = importlib.util.find_spec("tfx")
    if spec is None or spec.origin is None:
        raise SystemExit("tfx is not installed")
    return Path(spec.origin).parent / "examples/chicago_taxi_pipeline/data/simple"


def time_steps() -> dict[str, float]:
    """Returns a dictionary that gets the seconds of each step as it ends."""
    from tfx.orchestration.portable.launcher import Launcher

    seconds: dict[str, float] = {}
    launch = Launcher.launch

    def timed(launcher: Any) -> Any:
        started = time.perf_counter()
        try:
            return launch(launcher)
        finally:
            step = launcher._pipeline_node.node_info.id
            seconds[step] = round(time.perf_counter() - started, 3)

    Launcher.launch = timed
    return seconds


def run(output: Path, data: Path) -> None:
    """Runs the stock pipeline once, without a cache, and prints its steps' seconds as JSON."""
    started = time.perf_counter()
    import tensorflow_model_analysis as tfma
    from tfx import v1 as tfx

    seconds = time_steps()
    example_gen = tfx.components.CsvExampleGen(input_base=str(data))
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=f"{TEMPLATE}.preprocessing.preprocessing_fn",
    )
    trainer = tfx.components.Trainer(
        run_fn=f"{TEMPLATE}.keras_model.model.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=TRAIN_STEPS),
        eval_args=tfx.proto.EvalArgs(num_steps=EVAL_STEPS),
    )
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=tfma.EvalConfig(
            model_specs=[
                tfma.ModelSpec(
                    signature_name="serving_default",
                    label_key="tips_xf",
                    preprocessing_function_names=["transform_features"],
                )
            ],
            slicing_specs=[tfma.SlicingSpec()],
            metrics_specs=[
                tfma.MetricsSpec(
                    metrics=[
                        tfma.MetricConfig(
                            class_name="BinaryAccuracy",
                            threshold=tfma.MetricThreshold(
                                value_threshold=tfma.GenericValueThreshold(
                                    lower_bound={"value": 0.0}
                                )
                            ),
                        )
                    ]
                )
            ],
        ),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(output / "serving"))
        ),
    )
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="stock_taxi",
            pipeline_root=str(output / "artifacts"),
            components=[
                example_gen,
                statistics_gen,
                schema_gen,
                validator,
                transform,
                trainer,
                evaluator,
                pusher,
            ],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(output / "metadata.db")
            ),
            # The runner that Faultline names: `DirectRunner` would try Prism first.
            beam_pipeline_args=[
                "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
                "--direct_running_mode=in_memory",
            ],
        )
    )
    total = time.perf_counter() - started
    seconds["imports and start"] = round(total - sum(seconds.values()), 3)
    print(json.dumps(seconds))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="an empty folder to write to")
    parser.add_argument("--data", type=Path, default=taxi_data(), help="folder with the CSV")
    options = parser.parse_args()
    run(options.output, options.data)


if __name__ == "__main__":
    main()
