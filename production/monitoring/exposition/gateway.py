"""Metrics of the gateway of a model: some of Envoy's, and the resources of its processes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from common.output_folder import OutputFolder
from production.gateway.admin import AdminError, EnvoyAdmin
from production.gateway.envoy_files import ADMIN_SOCKET
from production.gateway.processes import running_pids
from production.monitoring.exposition.metrics import Metric, Part, Sample

Labels = Mapping[str, str]

# Their names in Envoy, before it takes labels out of them.
_PATTERN = (
    r"^http\.(grpc|rest)\.downstream_rq_([1-5]xx|active|time)$"
    r"|^cluster\.(stable|candidate)_(grpc|rest)\.(upstream_rq_total|membership_healthy)$"
)
_MS = 1e-3

_METRICS = (
    Metric("faultline_gateway_up", "Whether Envoy answers; absent once a gateway was stopped."),
    Metric("faultline_gateway_requests_total", "Requests of clients by class of HTTP status."),
    Metric("faultline_gateway_requests_active", "Requests of clients in progress."),
    Metric(
        "faultline_gateway_request_duration_seconds",
        "Time from a client's request to the end of its answer.",
        is_histogram=True,
    ),
    Metric(
        "faultline_gateway_upstream_requests_total",
        "Requests that were sent to a server, copies included.",
    ),
    Metric("faultline_gateway_upstream_healthy", "Whether Envoy sends requests to a server."),
    Metric("faultline_process_cpu_seconds_total", "CPU time of a process of the gateway."),
    Metric("faultline_process_resident_memory_bytes", "Resident memory of such a process."),
    Metric("faultline_process_open_fds", "Open file descriptors of such a process."),
    Metric("faultline_process_start_time_seconds", "When such a process started."),
)


@dataclass(frozen=True)
class _Translation:
    """A metric of Envoy under our name.

    Attributes:
        name: Our name.
        labels: Returns our labels from Envoy's.
        scale: Factor to our unit.
    """

    name: str
    labels: Callable[[Labels], dict[str, str]]
    scale: float = 1.0


def _wire(labels: Labels) -> dict[str, str]:
    return {"wire": labels["envoy_http_conn_manager_prefix"]}


def _class(labels: Labels) -> dict[str, str]:
    return {"code_class": f"{labels['envoy_response_code_class']}xx"}


def _arm(labels: Labels) -> dict[str, str]:
    arm, _, wire = labels["envoy_cluster_name"].partition("_")
    return {"arm": arm, "wire": wire}


_TRANSLATIONS = {
    "envoy_http_downstream_rq_xx": _Translation(
        "faultline_gateway_requests_total", lambda labels: _wire(labels) | _class(labels)
    ),
    "envoy_http_downstream_rq_active": _Translation("faultline_gateway_requests_active", _wire),
    "envoy_http_downstream_rq_time": _Translation(
        "faultline_gateway_request_duration_seconds", _wire, _MS
    ),
    # Envoy counts statuses by the arm of the key, which may be another one than the server's.
    "envoy_cluster_upstream_rq": _Translation("faultline_gateway_upstream_requests_total", _arm),
    "envoy_cluster_membership_healthy": _Translation("faultline_gateway_upstream_healthy", _arm),
}


def translate(text: str) -> Iterator[Sample]:
    """Yields Envoy's metrics under our names, in seconds; those without one are left out.

    Args:
        text: Envoy's metrics in Prometheus's text format.
    """
    for family in text_string_to_metric_families(text):
        translation = _TRANSLATIONS.get(family.name)
        if translation is None:
            continue
        for sample in family.samples:
            # Of a histogram `_bucket`, `_sum` or `_count`; the parser adds `_total` to counters.
            suffix = sample.name.removeprefix(family.name)
            suffix = "" if suffix == "_total" else suffix
            labels, scale = translation.labels(sample.labels), translation.scale
            if "le" in sample.labels:
                labels["le"] = _bound(sample.labels["le"], scale)
            value = sample.value if suffix in {"_bucket", "_count"} else sample.value * scale
            yield Sample(translation.name + suffix, labels, value)


def _bound(text: str, scale: float) -> str:
    return text if text == "+Inf" else f"{float(text) * scale:.10g}"


def _read(folder: OutputFolder, model: str) -> Iterator[Sample]:
    place, labels = folder.gateway(model), {"model": model}
    if not any(place.glob("*.pid")):  # it was never started, or was stopped in order
        return
    pids = running_pids(place)
    for process, pid in pids.items():
        yield from _process(pid, labels | {"process": process})
    samples: list[Sample] = []
    if "envoy" in pids:
        try:
            samples = list(translate(EnvoyAdmin(place / ADMIN_SOCKET).metrics(_PATTERN)))
        except AdminError:  # Envoy starts or hangs: `faultline_gateway_up` is 0
            pids.pop("envoy")
    yield Sample("faultline_gateway_up", labels, float("envoy" in pids))
    for sample in samples:
        yield sample._replace(labels={**labels, **sample.labels})


def _process(pid: int, labels: dict[str, str]) -> Iterator[Sample]:
    declared = {metric.name for metric in _METRICS}
    for family in ProcessCollector("faultline", lambda: pid, registry=None).collect():
        for sample in family.samples:
            if sample.name in declared:
                yield Sample(sample.name, labels, sample.value)


GATEWAY = Part("gateway", _METRICS, _read)
