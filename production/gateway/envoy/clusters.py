"""Envoy's clusters: the two servers, and each with the other one as its fallback."""

import ipaddress
from typing import Any, get_args

from production.gateway.envoy.matching import Value, typed
from production.gateway.envoy.ports import Ports, ServerAddress
from production.gateway.envoy.routes import (
    Wire,
    fallback_cluster,
    member_cluster,
)
from production.gateway.traffic import Arm

_PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_AGGREGATE = "envoy.extensions.clusters.aggregate.v3.ClusterConfig"
# The server's REST side closes idle connections after 75 s; a request must not meet that.
_IDLE = "30s"
_MAX_CONCURRENT = 4_096


def make_clusters(ports: Ports) -> list[Value]:
    """Returns Envoy's clusters, which depend on the servers' addresses alone."""
    clusters = []
    for wire in get_args(Wire):
        for arm in Arm:
            clusters += [_member(arm, wire, ports.server(arm)), _fallback(arm, wire)]
    return clusters


def _member(arm: Arm, wire: Wire, server: ServerAddress) -> Value:
    name = member_cluster(arm, wire)
    port = server.grpc if wire == "grpc" else server.rest
    address = {"socket_address": {"address": server.host, "port_value": port}}
    cluster: Value = {
        "name": name,
        "type": "STATIC" if _is_ip(server.host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": _protocol(wire),
        "health_checks": [_health_check(wire)],
        # By default Envoy collects changes of health for a second before it goes by them.
        "common_lb_config": {"update_merge_window": "0s"},
        "circuit_breakers": {"thresholds": [_limits()]},
    }
    if arm is Arm.CANDIDATE:
        cluster["outlier_detection"] = _outlier_detection()
    return cluster


def _fallback(arm: Arm, wire: Wire) -> Value:
    members = [member_cluster(arm, wire), member_cluster(arm.other, wire)]
    return {
        "name": fallback_cluster(arm, wire),
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": typed("envoy.clusters.aggregate", _AGGREGATE, clusters=members),
        "circuit_breakers": {"thresholds": [_limits()]},
    }


def _protocol(wire: Wire) -> Value:
    options: dict[str, Any] = {"http2_protocol_options": {}}
    if wire == "rest":
        options = {"http_protocol_options": {}}
    return {
        _PROTOCOL: {
            "@type": f"type.googleapis.com/{_PROTOCOL}",
            "explicit_http_config": options,
            "common_http_protocol_options": {"idle_timeout": _IDLE},
        }
    }


def _health_check(wire: Wire) -> Value:
    """Finds out that a server has ended, or hangs; its versions are the supervisor's business."""
    check: Value = {
        "interval": "0.25s",
        "no_traffic_interval": "0.25s",
        "timeout": "2s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
    }
    if wire == "grpc":
        return check | {"grpc_health_check": {"service_name": "PredictionService"}}
    # TensorFlow Serving has no such path, and says so: any answer shows that the server works.
    paths = {"path": "/healthz", "expected_statuses": [{"start": 200, "end": 500}]}
    return check | {"http_health_check": paths}


def _outlier_detection() -> Value:
    """Sets a candidate aside that refuses connections, before the next check of its health.

    Errors that it answers do not count: they are evidence for the rollout.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "max_ejection_percent": 100,
        "interval": "0.5s",
        "base_ejection_time": "2s",
        "max_ejection_time": "10s",
    }


def _limits() -> Value:
    return {
        "max_connections": _MAX_CONCURRENT,
        "max_pending_requests": _MAX_CONCURRENT,
        "max_requests": _MAX_CONCURRENT,
        "max_retries": _MAX_CONCURRENT,
    }


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
