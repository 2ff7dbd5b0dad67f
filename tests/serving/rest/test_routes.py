"""Routes of paths and methods."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.rest.routes import Route, UnreadableVersionError, find_route, is_api

parts = st.sampled_from(
    [
        "/v1",
        "/models",
        "/m",
        "/versions",
        "/labels",
        "/7",
        "/99999999999999999999",
        "/metadata",
        ":predict",
        ":x",
        "/",
        "%2F",
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/v1/models/m/versions/07:classify", Route("classify", "m", 7)),
        ("POST", "/v1/models/m/labels/a%20b:regress", Route("regress", "m", None, "a b")),
        ("POST", "/V1/Models/M:predict", Route("predict", "M")),
        ("POST", "/v1/models/a%2Fb%3Ac%zz+:predict", Route("predict", "a/b:c%zz+")),
        ("POST", "/v1/models/%ff:predict", Route("predict", "\udcff")),
        ("GET", "/v1/models/m", Route("status", "m")),
        ("GET", "/v1/models/m/versions/9223372036854775807", Route("status", "m", 2**63 - 1)),
        ("GET", "/v1/models/m/labels/l", Route("status", "m", None, "l")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/versions/1/metadata", Route("metadata", "m", 1)),
        ("GET", "/v1/models/metadata", Route("status", "metadata")),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/m?x", Route("status", "m?x")),
    ],
)
def test_a_method_and_a_path_make_a_route(method, path, route):
    assert find_route(method, path) == route


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:predict/"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m/versions/-1:predict"),
        ("POST", "/v1/models/m/versions/\u0663:predict"),
        ("POST", "/v1/models/:predict"),
        ("GET", "/v1/models/m:predict"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/x"),
        ("POST", "/v1/models/m:predict?key=x"),
        ("GET", "/v1/models/m/metadata?x"),
        ("PUT", "/v1/models/m:predict"),
        ("HEAD", "/v1/models/m"),
    ],
)
def test_anything_else_is_malformed(method, path):
    with pytest.raises(ServingError) as caught:
        find_route(method, path)
    assert caught.value.message == f"Malformed request: {method} {path}"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/versions/1", "/v1/models/labels/a"])
def test_a_model_has_a_name(path):
    with pytest.raises(ServingError, match=r"^Missing model name in request\.$"):
        find_route("GET", path)


@pytest.mark.parametrize("digits", ["9223372036854775808", "9" * 10_000, "0" * 10_000 + "9" * 19])
def test_versions_beyond_int64_cannot_be_read(digits):
    with pytest.raises(UnreadableVersionError):
        find_route("GET", f"/v1/models/m/versions/{digits}")


def test_zeros_in_front_do_not_count():
    assert find_route("GET", f"/v1/models/m/versions/{'0' * 50}3").version == 3


@pytest.mark.parametrize(
    ("path", "is_one"),
    [("/v1/", True), ("/V1/x", True), ("/v1", False), ("/", False), ("/v2/", False)],
)
def test_paths_of_the_api(path, is_one):
    assert is_api(path) is is_one


def route_or_error(method: str, path: str) -> Route | ServingError | UnreadableVersionError:
    try:
        return find_route(method, path)
    except (ServingError, UnreadableVersionError) as error:
        return error


@given(st.sampled_from(["GET", "POST"]), st.lists(parts).map("".join) | st.text())
def test_every_path_is_a_route_or_an_error(method, path):
    actions = {"POST": {"predict", "classify", "regress"}, "GET": {"status", "metadata"}}
    route = route_or_error(method, path)
    if isinstance(route, ServingError):
        nameless = "Missing model name in request."
        assert route.message in (f"Malformed request: {method} {path}", nameless)
    elif isinstance(route, UnreadableVersionError):
        assert re.search(r"/versions/\d{19,}", path, re.ASCII | re.IGNORECASE)
    else:
        assert route.action in actions[method]
        assert route.model
        assert is_api(path)
        assert route.version is None or route.label is None
