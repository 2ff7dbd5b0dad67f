"""Envoy's listeners: ports, TLS, and what a request must pass before it gets a route."""

from pathlib import Path
from typing import get_args

from pipeline.production_options.gateway import GatewayOptions, RateLimit
from production.gateway.envoy.clients import FILTER
from production.gateway.envoy.matching import Value, typed
from production.gateway.envoy.ports import Ports
from production.gateway.envoy.routes import Wire, overwrite

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_MIB = 2**20
# Status codes of gRPC
_DEADLINE_EXCEEDED, _RESOURCE_EXHAUSTED = 4, 8
# No client may steer Envoy by `x-envoy-` headers, not even on the loopback.
_NOBODY = {"address_prefix": "255.255.255.255", "prefix_len": 32}
# Buckets of clients that are kept, the latest ones.
_MAX_CLIENTS = 10_000


def watched(folder: Path, name: str) -> Value:
    """Returns a source that Envoy reads again when a file is renamed to it."""
    return {
        "path_config_source": {
            "path": str(folder / name),
            "watched_directory": {"path": str(folder)},
        },
        "resource_api_version": "V3",
    }


def make_listeners(
    options: GatewayOptions, ports: Ports, *, folder: Path, access_log: Value | None
) -> list[Value]:
    """Returns Envoy's listeners, one for each wire.

    Args:
        options: The gateway's options.
        ports: Where the gateway listens.
        folder: Folder of Envoy's files.
        access_log: The access log; None logs nothing.
    """
    log = [] if access_log is None else [access_log]
    return [_listener(wire, options, ports, folder=folder, log=log) for wire in get_args(Wire)]


def _listener(
    wire: Wire, options: GatewayOptions, ports: Ports, *, folder: Path, log: list[Value]
) -> Value:
    port = ports.grpc if wire == "grpc" else ports.rest
    chain: Value = {"filters": [_connection_manager(wire, options, folder, log)]}
    if options.tls is not None:
        chain["transport_socket"] = _tls(wire, folder)
    return {
        "name": wire,
        "address": {"socket_address": {"address": options.host, "port_value": port}},
        # Slow readers must not fill the memory.
        "per_connection_buffer_limit_bytes": _MIB,
        "filter_chains": [chain],
    }


def _connection_manager(
    wire: Wire, options: GatewayOptions, folder: Path, log: list[Value]
) -> Value:
    manager: Value = {
        "stat_prefix": wire,
        "codec_type": "HTTP2" if wire == "grpc" else "AUTO",
        "rds": {"route_config_name": "routes", "config_source": watched(folder, "rds.json")},
        "http_filters": _filters(options, folder),
        # The client's address is that of its connection.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [_NOBODY]},
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": True,
        # A client's own id is kept as it is: labels are joined by it.
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": _request_ids(),
        "request_headers_timeout": "10s",
        "request_timeout": f"{options.timeout_s + 30:g}s",
        "stream_idle_timeout": f"{options.timeout_s + 30:g}s",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "any"},
        "http2_protocol_options": {"max_concurrent_streams": 1_000},
        "local_reply_config": _answers_of_envoy(wire),
        "access_log": log,
    }
    return typed("envoy.filters.network.http_connection_manager", _MANAGER, **manager)


def _answers_of_envoy(wire: Wire) -> Value:
    """Makes Envoy's own answers those that the servers would give."""
    if wire == "rest":
        return {"body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}}}
    # Envoy's own choices are UNKNOWN and UNAVAILABLE, after which clients send the request again.
    return {
        "mappers": [_map_status(413, _RESOURCE_EXHAUSTED), _map_status(504, _DEADLINE_EXCEEDED)]
    }


def _map_status(status: int, grpc_status: int) -> Value:
    value = {"default_value": status, "runtime_key": f"faultline.status_{status}"}
    return {
        "filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}},
        "headers_to_add": [overwrite("grpc-status", str(grpc_status))],
    }


def _request_ids() -> Value:
    kind = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
    config = {"@type": kind, "pack_trace_reason": False, "use_request_id_for_trace_sampling": False}
    return {"typed_config": config}


def _filters(options: GatewayOptions, folder: Path) -> list[Value]:
    filters = []
    if options.clients is not None:
        source = {"config_source": watched(folder, "clients.json"), "type_urls": [_LUA]}
        filters.append({"name": FILTER, "config_discovery": source})
    if options.rate_limit is not None:
        filters.append(_rate_limit(options.rate_limit, by_name=options.clients is not None))
    kind = "envoy.extensions.filters.http.buffer.v3.Buffer"
    size = int(options.max_body_mib * _MIB)
    filters.append(typed("envoy.filters.http.buffer", kind, max_request_bytes=size))
    kind = "envoy.extensions.filters.http.router.v3.Router"
    filters.append(typed("envoy.filters.http.router", kind, suppress_envoy_headers=True))
    return filters


def _rate_limit(limit: RateLimit, *, by_name: bool) -> Value:
    bucket = {
        "max_tokens": limit.requests_per_s if limit.burst is None else limit.burst,
        "tokens_per_fill": limit.requests_per_s,
        "fill_interval": "1s",
    }
    name = {
        "descriptor_key": "client",
        "metadata_key": {"key": "faultline", "path": [{"key": "client"}]},
        "source": "DYNAMIC",
    }
    action = {"metadata": name} if by_name else {"remote_address": {}}
    key = "client" if by_name else "remote_address"
    always = {"default_value": {"numerator": 100}}
    return typed(
        "envoy.filters.http.local_ratelimit",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="client",
        filter_enabled=always,
        filter_enforced=always,
        rate_limits=[{"actions": [action]}],
        # An entry without a value is a bucket for each value.
        descriptors=[{"entries": [{"key": key}], "token_bucket": bucket}],
        max_dynamic_descriptors=_MAX_CLIENTS,
        always_consume_default_token_bucket=False,
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
    )


def _tls(wire: Wire, folder: Path) -> Value:
    return typed(
        "envoy.transport_sockets.tls",
        _TLS,
        common_tls_context={
            "alpn_protocols": ["h2"] if wire == "grpc" else ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [
                {"name": "certificate", "sds_config": watched(folder, "sds.json")}
            ],
        },
    )
