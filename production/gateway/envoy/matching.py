"""Parts of Envoy's match trees, by which it chooses a route."""

import hashlib
from collections.abc import Sequence
from typing import Any

Value = dict[str, Any]

_TYPES = "type.googleapis.com/"
# Steps of a hundredth of a percent; the hash is taken modulo this number.
_NUM_BUCKETS = 10_000


def typed(name: str, kind: str, **fields: Any) -> Value:
    """Returns an extension of Envoy: its name and its typed configuration."""
    return {"name": name, "typed_config": {"@type": _TYPES + kind, **fields}}


def has_header(header: str, match: Value) -> Value:
    """Returns the predicate that a request header matches a string matcher."""
    return {"single_predicate": {"input": _header_input(header), "value_match": match}}


def in_share(header: str, *, percent: int, salt: str) -> Value:
    """Returns the predicate that a request is in a share of all values of a header.

    A value is in the share or not by its hash alone. A value in a share is also in every larger
    one of the same salt; the shares of different salts are independent.

    Args:
        header: Name of the header.
        percent: The share, in [1, 99].
        salt: Decides which values come first.
    """
    seed = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:6])
    return {
        "single_predicate": {
            "input": _header_input(header),
            "custom_match": typed(
                "hash",
                "envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing",
                # A value matches if its hash modulo the buckets is at or above the threshold.
                threshold=_NUM_BUCKETS - percent * _NUM_BUCKETS // 100,
                modulo=_NUM_BUCKETS,
                seed=seed,
            ),
        }
    }


def take(route: Value) -> Value:
    """Returns the outcome of a match that takes a route."""
    kind = "envoy.config.route.v3.Route"
    return {"action": typed("route", kind, match={"prefix": "/"}, **route)}


def first_of(cases: Sequence[tuple[Value, Value]], otherwise: Value) -> Value:
    """Returns the outcome that is that of the first case whose predicate holds.

    Args:
        cases: Predicates and outcomes, in order.
        otherwise: The outcome if none holds.
    """
    if not cases:
        return otherwise
    matchers = [{"predicate": predicate, "on_match": outcome} for predicate, outcome in cases]
    return {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": otherwise}}


def _header_input(header: str) -> Value:
    return typed("header", "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header)
