"""REST: paths, headers, the six calls, and how statuses map to HTTP."""

import gzip
import http.client
import re
import socket

import pytest

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
X = {"instances": [1.0, 2.0]}
EXAMPLES = {"examples": [{"x": 1.0}, {"x": 2.0}]}
# x / 2 + 2 in version 1, x / 2 + 3 in version 2.
OF_VERSION = {1: [2.5, 3.0], 2: [3.5, 4.0]}


@row("path: POST")
@pytest.mark.parametrize(
    ("which", "version"),
    [
        ("", 2),
        ("/versions/1", 1),
        ("/versions/002", 2),
        ("/labels/stable", 1),
        ("/labels/release%20candidate", 2),
    ],
)
def test_predict_takes_the_version_that_the_path_names(rest, which, version):
    answer = rest.predict(f"half_plus_two{which}", X)
    assert answer.status == 200, answer.body
    assert answer.json == {"predictions": OF_VERSION[version]}


@row("path: POST")
@pytest.mark.parametrize("which", ["/versions/1", "/labels/stable"])
@pytest.mark.parametrize(
    ("verb", "signature", "results"),
    [
        ("classify", "classify_x_to_y", [[["", 2.5]], [["", 3.0]]]),
        ("regress", "regress_x_to_y", [2.5, 3.0]),
    ],
)
def test_other_verbs_take_a_version_too(rest, which, verb, signature, results):
    body = {"signature_name": signature, **EXAMPLES}
    answer = rest.post(f"/v1/models/half_plus_two{which}:{verb}", body)
    assert (answer.status, answer.json) == (200, {"results": results})


@row("path: GET")
@pytest.mark.parametrize(
    ("which", "versions"), [("", ["2", "1"]), ("/versions/1", ["1"]), ("/versions/2", ["2"])]
)
def test_status_is_of_the_version_that_the_path_names(rest, which, versions):
    answer = rest.get(f"/v1/models/half_plus_two{which}")
    assert [each["version"] for each in answer.json["model_version_status"]] == versions


@row("path: GET")
@pytest.mark.parametrize(
    ("which", "version"),
    [("", "2"), ("/versions/1", "1"), ("/labels/stable", "1")],
)
def test_metadata_is_of_the_version_that_the_path_names(rest, which, version):
    answer = rest.get(f"/v1/models/half_plus_two{which}/metadata")
    assert answer.json["model_spec"]["version"] == version


@row("path: the query string belongs to the path")
def test_a_query_string_belongs_to_the_path(rest):
    path = "/v1/models/half_plus_two:predict?key=x"
    answer = rest.post(path, X)
    assert (answer.status, answer.error) == (400, f"Malformed request: POST {path}")
    answer = rest.get("/v1/models/half_plus_two?x=1")
    message = "Could not find any versions of model half_plus_two?x=1"
    assert (answer.status, answer.error) == (404, message)


@row("HTTP: TRACE 501")
def test_trace_is_not_implemented(rest):
    answer = rest.call("TRACE", "/v1/models/half_plus_two")
    assert (answer.status, answer.headers["content-type"]) == (501, "text/html")


@row("HTTP: keep-alive in HTTP/1.0")
def test_http_1_0_keeps_a_connection_that_asks_for_it(rest):
    host, port = rest.address.rsplit(":", 1)
    head = b"GET /v1/models/half_plus_two HTTP/1.0\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(head + b"Connection: keep-alive\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200
            assert answer.getheader("connection").lower() == "keep-alive"
            answer.read()
        connection.sendall(head + b"\r\n")
        while connection.recv(2**16):
            pass  # ends only if the server closes the connection


@row("path: names are percent-decoded")
@pytest.mark.parametrize("name", ["half%20plus%20two", "%68alf%20plus%20tw%6F"])
def test_a_model_name_is_percent_decoded(rest, name):
    assert rest.predict(name, X).json == {"predictions": OF_VERSION[1]}


@row("path: the case of the verb counts")
@pytest.mark.parametrize("verb", ["PREDICT", "Predict", "Classify", "REGRESS"])
def test_a_verb_in_another_case_is_a_bad_request(rest, verb):
    assert rest.post(f"/v1/models/half_plus_two:{verb}", X).status == 400


@row("path: the case of its other words does not count")
@pytest.mark.parametrize(
    "which", ["Models/half_plus_two/VERSIONS/1", "MODELS/half_plus_two/Labels/stable"]
)
def test_the_words_of_a_path_may_be_in_any_case(rest, which):
    answer = rest.post(f"/v1/{which}:predict", X)
    assert (answer.status, answer.json) == (200, {"predictions": OF_VERSION[1]})
    assert rest.get(f"/v1/{which}/metadata").json["model_spec"]["version"] == "1"


@row("header: Content-Type of answers")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/models/half_plus_two:predict", X, 200),
        ("POST", "/v1/models/half_plus_two:predict", {}, 400),
        ("POST", "/v1/models/nobody:predict", X, 404),
        ("GET", "/v1/models/half_plus_two", None, 200),
        ("GET", "/v1/models/half_plus_two/metadata", None, 200),
    ],
)
def test_answers_and_errors_are_json(rest, method, path, body, status):
    answer = rest.call(method, path, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")


@row("header: Content-Type of requests is not checked")
@pytest.mark.parametrize("kind", ["text/plain", "application/xml; charset=latin-1", "nonsense"])
def test_any_content_type_is_read_as_json(rest, kind):
    answer = rest.post("/v1/models/half_plus_two:predict", X, {"Content-Type": kind})
    assert answer.json == {"predictions": OF_VERSION[2]}


@row("header: Content-Encoding gzip")
def test_a_gzip_body_is_inflated(rest):
    body = gzip.compress(b'{"instances": [1.0, 2.0]}')
    answer = rest.post("/v1/models/half_plus_two:predict", body, {"Content-Encoding": "gzip"})
    assert (answer.status, answer.json) == (200, {"predictions": OF_VERSION[2]})


MIXED_ROW = {"f": [1.0, 2.0], "d": 4.0, "i32": 8, "i64": 16, "flag": True, "text": "a"}
MIXED_OUT = {"sum": 31.0, "flipped": False, "text": "a", "row": [1.0, 2.0]}


@row("call: predict, row")
def test_one_output_gives_bare_values(rest):
    body = {"signature_name": "serving_default", **X}
    answer = rest.predict("half_plus_two", body)
    assert (answer.status, answer.json) == (200, {"predictions": OF_VERSION[2]})


@row("call: predict, row")
def test_named_values_of_the_only_input_do_as_well(rest):
    answer = rest.predict("half_plus_two", {"instances": [{"x": 1.0}, {"x": 2.0}]})
    assert answer.json == {"predictions": OF_VERSION[2]}


@row("call: predict, row")
def test_several_outputs_give_objects(rest):
    answer = rest.predict("mixed", {"instances": [MIXED_ROW, MIXED_ROW | {"d": 5.0}]})
    expected = MIXED_OUT | {"text_bytes": {"b64": "YQ=="}}
    assert answer.json == {"predictions": [expected, expected | {"sum": 32.0}]}


@row("call: predict, columnar")
def test_columns_of_the_only_input(rest):
    answer = rest.predict("half_plus_two", {"inputs": [1.0, 2.0]})
    assert answer.json == {"outputs": OF_VERSION[2]}
    assert rest.predict("half_plus_two", {"inputs": {"x": [1.0, 2.0]}}).json == answer.json


@row("call: predict, columnar")
def test_columns_of_several_inputs_and_outputs(rest):
    columns = {name: [value] for name, value in MIXED_ROW.items()}
    answer = rest.predict("mixed", {"inputs": columns})
    expected = {name: [value] for name, value in MIXED_OUT.items()}
    assert answer.json == {"outputs": expected | {"text_bytes": [{"b64": "YQ=="}]}}


@row("call: classify")
def test_classify_pairs_labels_with_scores(rest):
    body = {"signature_name": "classify_classes", **EXAMPLES}
    answer = rest.post("/v1/models/half_plus_two/versions/1:classify", body)
    assert answer.json == {
        "results": [[["low", -2.5], ["high", 2.5]], [["low", -3.0], ["high", 3.0]]]
    }


@row("call: classify")
def test_the_context_is_part_of_every_example(rest):
    body = {"signature_name": "classify_x_to_y", "context": {"x": 2.0}, "examples": [{"z": 1}, {}]}
    answer = rest.post("/v1/models/half_plus_two/versions/1:classify", body)
    assert answer.json == {"results": [[["", 3.0]], [["", 3.0]]]}


@row("call: regress")
def test_regress_answers_results(rest):
    body = {"signature_name": "regress_x_to_y2", **EXAMPLES}
    answer = rest.post("/v1/models/half_plus_two/versions/1:regress", body)
    # One more than x / 2 + 2.
    assert (answer.status, answer.json) == (200, {"results": [3.5, 4.0]})


@row("call: status")
def test_status_lists_versions_in_descending_order(rest):
    def available(version: str) -> dict:
        status = {"error_code": "OK", "error_message": ""}
        return {"version": version, "state": "AVAILABLE", "status": status}

    answer = rest.get("/v1/models/half_plus_two")
    assert answer.json == {"model_version_status": [available("2"), available("1")]}


@row("call: metadata")
def test_metadata_is_printed_with_defaults(rest):
    got = rest.get("/v1/models/half_plus_two/versions/1/metadata").json
    assert got["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "1"}
    signatures = got["metadata"]["signature_def"]["signature_def"]
    served = signatures["serving_default"]
    assert served["method_name"] == "tensorflow/serving/predict"
    tensor = served["inputs"]["x"]
    assert (tensor["dtype"], tensor["name"]) == ("DT_FLOAT", "x:0")
    # Neither the name of a dimension nor `unknown_rank` was set.
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert tensor["tensor_shape"] == shape
    assert {"classify_x_to_y", "regress_x_to_y", "regress_x_to_y2"} < set(signatures)


@row("error body")
def test_an_error_is_an_object_with_nothing_but_the_message(rest):
    answer = rest.predict("nobody", X)
    assert answer.json == {"error": "Servable not found for request: Latest(nobody)"}


@pytest.mark.parametrize(
    ("signature", "http"),
    [
        pytest.param("out_of_range", 400, marks=row("HTTP: OUT_OF_RANGE 400")),
        pytest.param("not_found", 404, marks=row("HTTP: NOT_FOUND 404")),
        pytest.param("permission_denied", 403, marks=row("HTTP: PERMISSION_DENIED 403")),
        pytest.param("resource_exhausted", 429, marks=row("HTTP: RESOURCE_EXHAUSTED 429")),
        pytest.param("cancelled", 499, marks=row("HTTP: CANCELLED 499")),
        pytest.param("data_loss", 500, marks=row("HTTP: DATA_LOSS 500")),
    ],
)
def test_a_status_that_ends_the_graph_has_an_http_status(rest, signature, http):
    answer = rest.predict("failures", {"signature_name": signature, "instances": [1.0]})
    assert answer.status == http, answer.body
    assert answer.error


@row("HTTP: INVALID_ARGUMENT 400")
def test_an_invalid_argument_is_400(rest):
    assert rest.predict("to_number", {"instances": ["none"]}).status == 400


@row("HTTP: FAILED_PRECONDITION 400")
@row("design: a variable that was not saved")
def test_a_variable_that_was_not_saved_fails_the_request(rest):
    answer = rest.predict("missing_variable", {"instances": [1.0]})
    assert answer.status == 400
    assert "Could not find variable lost" in answer.error


@row("HTTP: UNIMPLEMENTED 501")
def test_an_unimplemented_type_is_501(rest):
    assert rest.predict("echo_half", {"instances": [1.0]}).status == 501


@row("order: predict")
def test_predict_checks_in_the_order_of_the_page(rest):
    # Each body has the fault of its step and those of all later steps.
    def error(model: str, body) -> tuple[int, str]:
        answer = rest.predict(model, body)
        return answer.status, answer.error

    both = {"inputs": ["x"], "instances": ["x"]}
    status, message = error("nobody", b'{"signature_name": 1, ')
    assert (status, message.startswith("JSON Parse error: ")) == (400, True)
    status, message = error("nobody", {"signature_name": 1, **both})
    assert (status, "'signature_name' key must be" in message) == (400, True)
    status, message = error("nobody", {"signature_name": "s", **both})
    assert (status, message) == (404, "Servable not found for request: Latest(nobody)")
    status, message = error("half_plus_two", {"signature_name": "s", **both})
    assert (status, message) == (
        400,
        'Serving signature name: "s" not found in signature def',
    )
    status, message = error("half_plus_two", both)
    assert (status, "expecting only one of" in message) == (400, True)
    status, message = error("half_plus_two", {"inputs": ["x"]})
    assert (status, "is not of expected type: float" in message) == (400, True)


@row("order: predict")
def test_a_label_is_checked_with_the_servable(rest):
    path = "half_plus_two/labels/none"
    assert "must be a string" in rest.predict(path, {"signature_name": 1}).error
    label = "Unrecognized servable version label: none"
    assert rest.predict(path, {"signature_name": "s"}).error == label


@row("order: classify and regress")
@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_examples_are_decoded_before_the_model_is_looked_up(rest, verb):
    mixed = {"examples": [{"x": 1.0}, {"x": [1, "a"]}]}
    answer = rest.post(f"/v1/models/nobody:{verb}", mixed)
    assert answer.status == 400
    assert "Unexpected element type in feature: x" in answer.error
    answer = rest.post(f"/v1/models/nobody:{verb}", EXAMPLES)
    assert (answer.status, answer.error) == (404, "Servable not found for request: Latest(nobody)")


@row("order: malformed JSON to an unknown model is 400")
@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
def test_malformed_json_to_an_unknown_model_is_not_404(rest, verb):
    answer = rest.post(f"/v1/models/nobody:{verb}", "x")
    assert answer.status == 400
    assert re.match("JSON Parse error: ", answer.error)
