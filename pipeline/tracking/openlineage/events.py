"""OpenLineage events of a recorded run: START and an end for the run and for each of its steps.

References:
    OpenLineage, Object Model and Naming, https://openlineage.io/docs/spec/object-model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.lineage.facts import data_facts
from pipeline.lineage.graph import Artifact, Graph, Run, Step
from pipeline.lineage.runs import RunState, run_row

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

PRODUCER = "urn:faultline"
_MODELS = {"Model", "PushedModel"}
_ENDS = {
    "complete": "COMPLETE",
    "cached": "COMPLETE",
    "failed": "FAIL",
    RunState.COMPLETE: "COMPLETE",
    RunState.FAILED: "FAIL",
}


def run_events(graph: Graph, run: Run, namespace: str) -> "Iterator[RunEvent]":
    """Yields the events of a run that has ended, in the order of their times.

    Equal records give equal events, the ids of runs included, so that an event that is sent twice
    is the same event.

    Args:
        graph: Everything that ML Metadata holds.
        run: The run, complete or stopped.
        namespace: Namespace of the jobs.
    """
    maker = _Maker(graph, run, namespace)
    events = [event for step in run.steps for event in maker.of_step(step)]
    end = max((step.ended for step in run.steps), default=run.created)
    yield maker.of_run("START", run.created)
    yield from sorted(events, key=lambda event: str(event.eventTime))
    state = run_row(graph, run, may_be_running=False).state
    yield maker.of_run(_ENDS.get(state, "ABORT"), end)


@dataclass(frozen=True)
class _Maker:
    """Makes the events of one run."""

    graph: Graph
    run: Run
    namespace: str

    def _run_id(self, step: Step | None = None) -> str:
        from openlineage.client.uuid import generate_static_uuid

        key = f"{self.namespace}\n{self.run.id}\n{step.id if step else ''}"
        return str(generate_static_uuid(step.started if step else self.run.created, key.encode()))

    def of_run(self, state: str, moment: datetime) -> "RunEvent":
        """Returns an event of the run itself, with the code and the packages it ran on."""
        from openlineage.client.event_v2 import Job
        from openlineage.client.event_v2 import Run as RunOfEvent
        from openlineage.client.facet_v2 import job_type_job, processing_engine_run, tags_run

        facets: dict[str, Any] = {}
        stamp = self.run.provenance
        if stamp is not None:
            version = stamp.packages.get("tfx", "unknown")
            facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(
                version=version, name="TFX"
            )
            facts = {
                "commit": stamp.git_label,
                "code_digest": stamp.code_digest,
                "lock_digest": stamp.lock_digest,
                "config_digest": stamp.config_digest,
                "seed": str(stamp.seed),
            }
            facets["tags"] = tags_run.TagsRunFacet(tags=_tags(tags_run, facts))
        kind = job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="FAULTLINE", jobType="PIPELINE"
        )
        job = Job(namespace=self.namespace, name=self.run.use_case, facets={"jobType": kind})
        return self._event(state, moment, RunOfEvent(runId=self._run_id(), facets=facets), job)

    def of_step(self, step: Step) -> "Iterator[RunEvent]":
        """Yields START and the end of a step, with its artifacts as data sets."""
        from openlineage.client.event_v2 import Job
        from openlineage.client.event_v2 import Run as RunOfEvent
        from openlineage.client.facet_v2 import (
            error_message_run,
            job_type_job,
            parent_run,
            tags_run,
        )

        facets: dict[str, Any] = {
            "parent": parent_run.ParentRunFacet(
                run=parent_run.Run(runId=self._run_id()),
                job=parent_run.Job(namespace=self.namespace, name=self.run.use_case),
            ),
            "tags": tags_run.TagsRunFacet(tags=_tags(tags_run, {"state": step.state})),
        }
        if step.state == "failed":
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=f"step {step.node} failed; the log of run {self.run.id} says why",
                programmingLanguage="PYTHON",
            )
        kind = job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="FAULTLINE", jobType="TASK"
        )
        name = f"{self.run.use_case}.{step.node}"
        job = Job(namespace=self.namespace, name=name, facets={"jobType": kind})
        run = RunOfEvent(runId=self._run_id(step), facets=facets)
        inputs, outputs = self._inputs(step), self._outputs(step)
        yield self._event("START", step.started, run, job, inputs)
        end = _ENDS.get(step.state, "ABORT")
        yield self._event(end, step.ended, run, job, inputs, outputs)

    def _event(
        self,
        state: str,
        moment: datetime,
        run: Any,
        job: Any,
        inputs: "list[InputDataset] | None" = None,
        outputs: "list[OutputDataset] | None" = None,
    ) -> "RunEvent":
        from openlineage.client.event_v2 import RunEvent
        from openlineage.client.event_v2 import RunState as State

        return RunEvent(
            eventType=State[state],
            eventTime=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            run=run,
            job=job,
            inputs=inputs or [],
            outputs=outputs or [],
            producer=PRODUCER,
        )

    def _inputs(self, step: Step) -> "list[InputDataset]":
        from openlineage.client.event_v2 import InputDataset

        places = [
            (*_place(artifact.uri), _facets(artifact, self.run))
            for artifact in self._artifacts(step.inputs)
        ]
        places += [(*_place(uri), {}) for uri in self._raw_data(step)]
        return [InputDataset(namespace=s, name=n, facets=facets) for s, n, facets in places]

    def _outputs(self, step: Step) -> "list[OutputDataset]":
        from openlineage.client.event_v2 import OutputDataset

        return [
            OutputDataset(
                namespace=scheme,
                name=name,
                facets=_facets(artifact, self.run),
                outputFacets=_statistics(artifact),
            )
            for artifact in self._artifacts(step.outputs)
            for scheme, name in [_place(artifact.uri)]
        ]

    def _artifacts(self, edges: Mapping[str, tuple[int, ...]]) -> list[Artifact]:
        ids = [i for own in edges.values() for i in own]
        return [self.graph.artifacts[i] for i in ids if i in self.graph.artifacts]

    def _raw_data(self, step: Step) -> list[str]:
        """Files or the database that a step read the examples from."""
        examples = self.graph.find(step.outputs, "Examples")
        if not examples or self.graph.find(step.inputs, "Examples"):
            return []
        facts = data_facts(examples[-1], step)
        if "database" in facts:
            return [str(facts["database"])]
        folder, names = facts.get("folder"), facts.get("source_files", [])
        if facts.get("raw_path"):
            return [str(facts["raw_path"])]
        return [f"{folder}/{name}" for name in names] if folder else []


def _place(uri: str) -> tuple[str, str]:
    """Namespace and name of a data set by OpenLineage's naming: `file` and a path, or a bucket.

    >>> _place("/work/output/artifacts/1"), _place("s3://bucket/a/1")
    (('file', '/work/output/artifacts/1'), ('s3://bucket', 'a/1'))
    """
    parts = urlsplit(uri)
    if not parts.scheme:
        return "file", uri
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}", parts.path.lstrip("/") or "/"


def _facets(artifact: Artifact, run: Run) -> dict[str, Any]:
    from openlineage.client.facet_v2 import (
        dataset_type_dataset,
        dataset_version_dataset,
        datasource_dataset,
        schema_dataset,
    )

    values = artifact.properties
    kind = "MODEL" if artifact.type in _MODELS else "JOB_OUTPUT"
    facets: dict[str, Any] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(
            datasetType=kind, subType=artifact.type
        ),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name=artifact.type, uri=_uri(artifact.uri)
        ),
    }
    version = values.get("pushed_version") or values.get("data_digest") or artifact.id
    facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(
        datasetVersion=str(version)
    )
    features = run.config.get("features", {})
    if artifact.type == "Examples" and features:
        fields = [
            schema_dataset.SchemaDatasetFacetFields(name=name, type=str(feature.get("kind", "")))
            for name, feature in features.items()
        ]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    return facets


def _uri(place: str) -> str:
    scheme, name = _place(place)
    return f"file://{name}" if scheme == "file" else f"{scheme}/{name}"


def _statistics(artifact: Artifact) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    values = artifact.properties
    if artifact.type != "Examples" or "num_rows" not in values:
        return {}
    facet = statistics.OutputStatisticsOutputDatasetFacet(
        rowCount=int(values["num_rows"]), fileCount=int(values.get("num_files", 0)) or None
    )
    return {"outputStatistics": facet}


def _tags(module: Any, values: Mapping[str, str]) -> list[Any]:
    return [
        module.TagsRunFacetFields(key=key, value=value, source="FAULTLINE")
        for key, value in values.items()
    ]
