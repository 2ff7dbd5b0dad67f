"""The data page of a run that AnomalyGate stopped: no step made it, and it is needed most."""

import json
from pathlib import Path

from pipeline.components.data_report.component import DataSources, make_page
from pipeline.components.data_report.page import GateNotes
from pipeline.components.example_validator.properties import DRIFT_KEY
from pipeline.config import SPLITS
from pipeline.config_loading import config_from_json
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import run_output
from pipeline.wiring.ingestion import page_features

_INPUTS = ("Examples", "ExampleStatistics", "ExampleAnomalies")


def render_refused_data(graph: Graph, run: Run, reports: Path) -> str | None:
    """Returns the data page of a run that AnomalyGate stopped; None if its artifacts are gone.

    Args:
        graph: Everything that ML Metadata holds.
        run: The run.
        reports: The folder of reports, with the gate's own report.
    """
    artifacts = [run_output(graph, run, type_name) for type_name in _INPUTS]
    examples, statistics, anomalies = artifacts
    if examples is None or statistics is None or anomalies is None:
        return None
    config = config_from_json(json.dumps(run.config))
    report = (reports / f"anomalies-{run.use_case}.md").read_text(encoding="utf-8")
    # A title, how drift was checked, and the findings.
    findings = report.split("\n\n", 2)[-1].strip()
    drift = str(anomalies.properties.get(DRIFT_KEY, ""))
    return make_page(
        DataSources(
            examples=examples.uri,
            statistics=statistics.uri,
            anomalies=anomalies.uri,
            splits=SPLITS,
        ),
        GateNotes(drift=drift, findings=findings, is_accepted=False),
        name=run.use_case,
        label=config.label.column,
        features=page_features(config),
    )
