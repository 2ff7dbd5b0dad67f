"""Key figures of every step: the one table of what each component says of itself.

A component's `facts.py` reads the artifacts that the step recorded. It imports no TensorFlow, so
that commands can list runs quickly. The names of properties that several components and commands
share are in `pipeline.components.names`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.anomaly_gate import facts as anomaly_gate
from pipeline.components.arrow_example_gen import facts as arrow_example_gen
from pipeline.components.case_control import facts as case_control
from pipeline.components.data_report import facts as data_report
from pipeline.components.error_analyzer import facts as error_analyzer
from pipeline.components.fact import Fact
from pipeline.components.infra_validator import facts as infra_validator
from pipeline.components.model_gate import facts as model_gate
from pipeline.components.pusher import facts as pusher
from pipeline.components.span_window import facts as span_window
from pipeline.components.trainer import facts as trainer
from pipeline.components.transform import facts as transform
from pipeline.components.tuner import facts as tuner
from pipeline.counting import count


def describe_step(name: str, outputs: Mapping[str, Sequence[Artifact]]) -> Fact:
    """Returns the key figures of a step, or an empty fact if it has none.

    Args:
        name: The step's name.
        outputs: Its output artifacts by key.
    """
    describe = _DESCRIPTIONS.get(name)
    artifacts = [artifact for values in outputs.values() for artifact in values]
    return describe(artifacts) if describe and artifacts else Fact()


def _schema(artifacts: list[Artifact]) -> Fact:
    text = (Path(artifacts[0].uri) / "schema.pbtxt").read_text(encoding="utf-8")
    number = sum(line.startswith("feature {") for line in text.splitlines())
    return Fact(count(number, "column"), {"num_columns": number})


_DESCRIPTIONS: Mapping[str, Callable[[list[Artifact]], Fact]] = {
    "AnomalyGate": anomaly_gate.describe,
    "ArrowExampleGen": arrow_example_gen.describe,
    "CaseControl": case_control.describe,
    "DataReport": data_report.describe,
    "ErrorAnalyzer": error_analyzer.describe,
    "InfraValidator": infra_validator.describe,
    "ModelGate": model_gate.describe,
    "Pusher": pusher.describe,
    "SpanWindow": span_window.describe,
    "Trainer": trainer.describe,
    "Transform": transform.describe,
    "Tuner": tuner.describe,
    "CuratedSchema": _schema,
    "SchemaGen": _schema,
}
