"""Envoy's routes: which arm answers a request, and which arm gets a copy of it."""

from dataclasses import dataclass
from typing import Literal

from pipeline.production_options.gateway import GatewayOptions
from production.gateway.envoy.matching import Value, first_of, has_header, in_share, take
from production.gateway.traffic import Arm, Traffic
from serving.headers import (
    ARM_HEADER,
    COPY_HEADER,
    LABEL_HEADER,
    REQUEST_ID_HEADER,
    REQUEST_ID_PATTERN,
    ROLLOUT_HEADER,
)

Wire = Literal["grpc", "rest"]

_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_SERVED_METHODS = (
    r"/tensorflow\.serving\.PredictionService/.*|"
    r"/tensorflow\.serving\.ModelService/(GetModelStatus|HandleReloadConfigRequest)"
)
_HEALTH_METHODS = "/grpc.health.v1.Health/"
_HEALTH_PATHS = "/healthz|/readyz"
_LABELLED = "(?i:/v1/models/[^/:]+/labels/)"
_NO_CANDIDATE = "no rollout is in progress, so that there is no candidate; ask for stable"
# Status codes of gRPC
_INVALID_ARGUMENT, _PERMISSION_DENIED, _FAILED_PRECONDITION, _UNIMPLEMENTED = 3, 7, 9, 12


def member_cluster(arm: Arm, wire: Wire) -> str:
    """Returns the name of the cluster of one arm's server alone."""
    return f"{arm}_{wire}"


def fallback_cluster(arm: Arm, wire: Wire) -> str:
    """Returns the name of the cluster of one arm's server, and of the other's while it is down."""
    return f"{arm}_or_{arm.other}_{wire}"


def make_routes(options: GatewayOptions, traffic: Traffic, *, key_header: str) -> Value:
    """Returns Envoy's only RouteConfiguration, for both wires, so that one rename changes both.

    Envoy routes by a match tree rather than by weighted clusters. The candidate answers the keys
    whose hash is in its share; the hash is seeded by the salt. Each arm has a route of its own,
    and so its own copies: to the other arm. A request without a key is drawn by its request id.

    Args:
        options: The gateway's options.
        traffic: Shares of both arms.
        key_header: Request header with the sticky key.
    """
    builder = _Routes(options, traffic, key_header)
    # Envoy gives an id to a request without one. Servers drop an id that they cannot send back, and
    # the answers of both arms are joined by it.
    has_bad_id = {"not_matcher": has_header(REQUEST_ID_HEADER, _regex(REQUEST_ID_PATTERN))}
    bad_id = _refuse(
        400, _INVALID_ARGUMENT, f"{REQUEST_ID_HEADER} must be 1 to 128 printable ASCII characters"
    )
    is_grpc = has_header("content-type", {"prefix": "application/grpc"})
    tree = first_of([(has_bad_id, bad_id), (is_grpc, builder.grpc())], builder.rest())
    return {
        "name": "routes",
        "virtual_hosts": [{"name": "all", "domains": ["*"], **tree}],
        # What the servers need not know, and a client must not pretend.
        "request_headers_to_remove": ["authorization", LABEL_HEADER, COPY_HEADER],
    }


@dataclass(frozen=True)
class _Routes:
    options: GatewayOptions
    traffic: Traffic
    key_header: str

    def grpc(self) -> Value:
        """Chooses a route for gRPC: by the method, then by the label, then by the key."""
        cases = [
            (
                has_header(":path", {"prefix": _HEALTH_METHODS}),
                take(_without_token(self._forward("grpc", Arm.STABLE))),
            ),
            (
                {"not_matcher": has_header(":path", _regex(_SERVED_METHODS))},
                _refuse(404, _UNIMPLEMENTED, "the gateway does not serve this method"),
            ),
        ]
        if not self.options.allow_reload:
            refusal = _refuse(403, _PERMISSION_DENIED, "the gateway's allow_reload is false")
            cases.append((has_header(":path", {"exact": _RELOAD}), refusal))
        cases += [
            (has_header(LABEL_HEADER, {"exact": arm}), self._labelled("grpc", arm)) for arm in Arm
        ]
        unknown = _refuse(400, _INVALID_ARGUMENT, f"{LABEL_HEADER} must be stable or candidate")
        cases.append((has_header(LABEL_HEADER, _regex(".*")), unknown))
        return first_of(cases, self._by_key("grpc"))

    def rest(self) -> Value:
        """Chooses a route for REST: by the path, then by the key."""
        cases = [
            (
                has_header(":path", _regex(_HEALTH_PATHS)),
                take(_without_token(self._forward("rest", Arm.STABLE))),
            ),
            (
                has_header(":path", {"prefix": "/monitoring/"}),
                _refuse(404, _UNIMPLEMENTED, "metrics are on the servers' own ports"),
            ),
        ]
        cases += [
            (
                has_header(":path", _regex(f"{_LABELLED}{arm}([/:?].*)?")),
                self._labelled("rest", arm),
            )
            for arm in Arm
        ]
        return first_of(cases, self._by_key("rest"))

    def _by_key(self, wire: Wire) -> Value:
        has_key = has_header(self.key_header, _regex(".+"))
        if self.traffic.candidate_percent in {0, 100}:
            return self._by_hash(wire, REQUEST_ID_HEADER)
        by_key = self._by_hash(wire, self.key_header)
        return first_of([(has_key, by_key)], self._by_hash(wire, REQUEST_ID_HEADER))

    def _by_hash(self, wire: Wire, header: str) -> Value:
        percent = self.traffic.candidate_percent
        stable = take(self._mirrored(wire, Arm.STABLE))
        candidate = take(self._mirrored(wire, Arm.CANDIDATE))
        if percent in {0, 100}:
            return candidate if percent else stable
        share = in_share(header, percent=percent, salt=self.traffic.salt)
        return first_of([(share, candidate)], stable)

    def _labelled(self, wire: Wire, arm: Arm) -> Value:
        if arm is Arm.CANDIDATE and self.traffic.candidate is None:
            return _refuse(400, _FAILED_PRECONDITION, _NO_CANDIDATE)
        route = self._forward(wire, arm)
        if arm is Arm.CANDIDATE:
            # Who asks for the candidate gets no answer of the stable version.
            route["route"]["cluster"] = member_cluster(arm, wire)
        if wire == "rest":
            pattern = f"^((?i:/v1/models/)[^/:]+)(?i:/labels/){arm}"
            route["route"]["regex_rewrite"] = {
                "pattern": {"regex": pattern},
                "substitution": r"\1",
            }
        return take(route)

    def _mirrored(self, wire: Wire, arm: Arm) -> Value:
        route = self._forward(wire, arm)
        if self.traffic.mirrored_percent:
            route["route"]["request_mirror_policies"] = [
                {
                    "cluster": member_cluster(arm.other, wire),
                    "disable_shadow_host_suffix_append": True,
                    "request_headers_mutations": [{"append": overwrite(COPY_HEADER, "1")}],
                    "runtime_fraction": {
                        "default_value": {"numerator": self.traffic.mirrored_percent},
                    },
                }
            ]
        return route

    def _forward(self, wire: Wire, arm: Arm) -> Value:
        return {
            "route": {
                "cluster": self._cluster(wire, arm),
                "timeout": f"{self.options.timeout_s:g}s",
                "retry_policy": {
                    # Only what no server has begun to answer. A request that ends one server must
                    # not be sent to the other one.
                    "retry_on": "connect-failure,refused-stream,reset-before-request",
                    "num_retries": 8,
                    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.2s"},
                },
            },
            "request_headers_to_add": [
                overwrite(ARM_HEADER, arm),
                overwrite(ROLLOUT_HEADER, self.traffic.salt),
            ],
        }

    def _cluster(self, wire: Wire, arm: Arm) -> str:
        # Keys of the stable arm never get another version's answers, whatever happens.
        if arm is Arm.STABLE and not self.traffic.has_one_version:
            return member_cluster(arm, wire)
        return fallback_cluster(arm, wire)


def _regex(pattern: str) -> Value:
    """Returns a string matcher of Envoy: the pattern must match all of the text."""
    return {"safe_regex": {"google_re2": {}, "regex": pattern}}


def overwrite(header: str, value: str) -> Value:
    """Returns the setting of a header, whatever its value was."""
    return {
        "header": {"key": header, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _refuse(status: int, grpc_status: int, message: str) -> Value:
    """Answers without a server; Envoy writes the answer as the client's protocol does."""
    return take(
        {
            "direct_response": {"status": status, "body": {"inline_string": message}},
            "response_headers_to_add": [overwrite("grpc-status", str(grpc_status))],
        }
    )


def _without_token(route: Value) -> Value:
    """Lets load balancers ask for health without a token."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
    return route | {
        "typed_per_filter_config": {"clients": {"@type": kind, "disabled": True}},
    }
