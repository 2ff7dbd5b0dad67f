"""REST: the table of cases, each with its status and message."""

import re

import pytest

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
X = {"instances": [1.0]}
BAD_INT64 = "9223372036854775808"


@row("case: path not under /v1/")
@pytest.mark.parametrize("path", ["/", "/v2/models/half_plus_two", "/v1", "/models/half_plus_two"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_elsewhere_is_a_page_of_html(rest, method, path):
    answer = rest.call(method, path, X if method == "POST" else None)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert re.search(b"<html>.*404", answer.body, re.IGNORECASE | re.DOTALL)


@row("case: bad path or verb")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/half_plus_two:predict/"),
        ("POST", "/v1/models/half_plus_two:explain"),
        ("POST", "/v1/models/half_plus_two"),
        ("POST", "/v1/models/half_plus_two/versions/x:predict"),
        ("POST", "/v1/models/half_plus_two/versions/-1:predict"),
        ("POST", "/v1/models/half/plus/two:predict"),
        ("POST", "/v1/models/:predict"),
        ("PUT", "/v1/models/half_plus_two:predict"),
        ("DELETE", "/v1/models/half_plus_two"),
        ("GET", "/v1/models/half_plus_two:predict"),
        ("GET", "/v1/models/half_plus_two/"),
        ("GET", "/v1/models/half_plus_two/metadata/"),
        ("GET", "/v1/models/half_plus_two/versions/x"),
        ("GET", "/v1/nothing"),
    ],
)
def test_a_bad_path_or_verb_is_quoted(rest, method, path):
    answer = rest.call(method, path, X if method in ("POST", "PUT") else None)
    assert (answer.status, answer.error) == (400, f"Malformed request: {method} {path}")


@row("case: GET /v1/models")
def test_a_status_call_needs_a_name(rest):
    answer = rest.get("/v1/models")
    assert (answer.status, answer.error) == (400, "Missing model name in request.")


@row("case: version beyond int64")
@pytest.mark.parametrize(
    ("method", "rest_of_path"),
    [("POST", ":predict"), ("POST", ":classify"), ("GET", ""), ("GET", "/metadata")],
)
def test_a_version_beyond_int64_has_no_body(rest, method, rest_of_path):
    path = f"/v1/models/half_plus_two/versions/{BAD_INT64}{rest_of_path}"
    answer = rest.call(method, path, X if method == "POST" else None)
    assert (answer.status, answer.body) == (400, b"")


@row("case: unknown model or version")
@pytest.mark.parametrize(
    ("which", "selector"),
    [
        ("nobody", "Latest(nobody)"),
        ("nobody/versions/1", "Specific(nobody, 1)"),
        ("half_plus_two/versions/9", "Specific(half_plus_two, 9)"),
        (
            "half_plus_two/versions/9223372036854775807",
            "Specific(half_plus_two, 9223372036854775807)",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
def test_an_unknown_model_or_version_is_404(rest, which, selector, verb):
    body = X if verb == "predict" else {"examples": [{"x": 1.0}]}
    answer = rest.post(f"/v1/models/{which}:{verb}", body)
    message = f"Servable not found for request: {selector}"
    assert (answer.status, answer.error) == (404, message)


@row("case: unknown model or version")
def test_metadata_of_an_unknown_model_is_404(rest):
    answer = rest.get("/v1/models/nobody/metadata")
    message = "Servable not found for request: Latest(nobody)"
    assert (answer.status, answer.error) == (404, message)


@row("case: unknown model or version, status")
@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("nobody", "Could not find any versions of model nobody"),
        ("half_plus_two/versions/9", "Could not find version 9 of model half_plus_two"),
    ],
)
def test_status_of_an_unknown_model_or_version_is_404(rest, which, message):
    answer = rest.get(f"/v1/models/{which}")
    assert (answer.status, answer.error) == (404, message)


@row("case: unknown label")
@pytest.mark.parametrize("model", ["half_plus_two", "mixed", "nobody"])
def test_an_unknown_label_is_400_even_on_an_unknown_model(rest, model):
    answer = rest.predict(f"{model}/labels/L", X)
    message = "Unrecognized servable version label: L"
    assert (answer.status, answer.error) == (400, message)


@row("case: status with a label")
@pytest.mark.parametrize("label", ["stable", "unknown"])
def test_status_ignores_labels(rest, label):
    answer = rest.get(f"/v1/models/half_plus_two/labels/{label}")
    versions = [each["version"] for each in answer.json["model_version_status"]]
    assert (answer.status, versions) == (200, ["2", "1"])


@row("case: unknown signature, predict")
def test_predict_with_an_unknown_signature(rest):
    answer = rest.predict("half_plus_two", {"signature_name": "s", **X})
    message = 'Serving signature name: "s" not found in signature def'
    assert (answer.status, answer.error) == (400, message)


@row("case: unknown signature, classify and regress")
@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_classify_and_regress_with_an_unknown_signature(rest, verb):
    body = {"signature_name": "s", "examples": [{"x": 1.0}]}
    answer = rest.post(f"/v1/models/half_plus_two:{verb}", body)
    message = "No signature was found with the name: s"
    assert (answer.status, answer.error) == (400, message)


@row("case: empty body")
@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
def test_an_empty_body(rest, verb):
    answer = rest.post(f"/v1/models/half_plus_two:{verb}", b"")
    message = "JSON Parse error: The document is empty"
    assert answer.status == 400
    assert answer.error.startswith(message)


@row("case: malformed JSON")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"x", "JSON Parse error: Invalid value. at offset: 0"),
        (b'{"instances": x}', "JSON Parse error: Invalid value. at offset: 14"),
        (b'{"instances": [1.0', "JSON Parse error: "),
        (b"{'instances': [1.0]}", "JSON Parse error: "),
    ],
)
def test_malformed_json(rest, body, message):
    answer = rest.predict("half_plus_two", body)
    assert answer.status == 400
    # RapidJSON's texts are known from memory only, so no more than their beginning is matched.
    assert answer.error.startswith(message)


@row("case: top level is no object")
@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null"])
def test_the_top_level_must_be_an_object(rest, body):
    answer = rest.predict("half_plus_two", body)
    assert (answer.status, answer.error) == (400, f"JSON Value: {body} Is not object")


@row("case: neither key")
@pytest.mark.parametrize("body", [{}, {"examples": []}, {"signature_name": "serving_default"}])
def test_one_of_the_keys_must_be_there(rest, body):
    answer = rest.predict("half_plus_two", body)
    assert (answer.status, answer.error) == (400, "Missing 'inputs' or 'instances' key")


@row("case: both keys")
def test_only_one_of_the_keys_may_be_there(rest):
    answer = rest.predict("half_plus_two", {"instances": [1.0], "inputs": [1.0]})
    assert answer.status == 400
    assert answer.error.startswith("JSON Value: {")
    assert answer.error.endswith(
        "} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
    )


@row("case: instances no list, or empty")
@pytest.mark.parametrize(
    ("instances", "end"),
    [
        (1.0, " Expecting 'instances' to be an list/array"),
        ({"x": 1.0}, " Expecting 'instances' to be an list/array"),
        ([], " No values in 'instances' array"),
    ],
)
def test_instances_must_be_a_list_with_values(rest, instances, end):
    answer = rest.predict("half_plus_two", {"instances": instances})
    assert answer.status == 400
    assert answer.error.endswith(end)


@row("case: signature_name is no string")
@pytest.mark.parametrize("name", [1, None, ["serving_default"]])
@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
def test_the_signature_name_must_be_a_string(rest, verb, name):
    body = {"signature_name": name, "examples": [{"x": 1.0}]} | X
    answer = rest.post(f"/v1/models/half_plus_two:{verb}", body)
    assert answer.status == 400
    end = " not formatted correctly. 'signature_name' key must be a string value."
    assert answer.error.endswith(end)


WRONG_TYPE = 'JSON Value: "x" Type: String is not of expected type: float'


@row("case: wrong JSON type")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"instances": ["x"]},
            "Failed to process element: 0 of 'instances' list. "
            f"Error: INVALID_ARGUMENT: {WRONG_TYPE}",
        ),
        (
            {"instances": [1.0, "x"]},
            "Failed to process element: 1 of 'instances' list. "
            f"Error: INVALID_ARGUMENT: {WRONG_TYPE}",
        ),
        ({"inputs": ["x"]}, WRONG_TYPE),
        ({"inputs": {"x": ["x"]}}, WRONG_TYPE),
    ],
)
def test_a_value_of_the_wrong_type(rest, body, message):
    answer = rest.predict("half_plus_two", body)
    assert (answer.status, answer.error) == (400, message)


@row("case: named element")
def test_a_named_value_of_the_wrong_type(rest):
    answer = rest.predict("half_plus_two", {"instances": [{"x": 1.0}, {"x": "x"}]})
    message = (
        "Failed to process element: 1 key: x of 'instances' list. "
        f"Error: INVALID_ARGUMENT: {WRONG_TYPE}"
    )
    assert (answer.status, answer.error) == (400, message)


@row("case: ragged")
@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        (
            {"inputs": [[1.0, 2.0], [3.0]]},
            r"Encountered list at unexpected size: 1 at level: \d+ expected size: 2",
        ),
        (
            {"instances": [[[1.0, 2.0], [3.0]]]},
            r"Failed to process element: 0 of 'instances' list\. Error: INVALID_ARGUMENT: "
            r"Encountered list at unexpected size: 1 at level: \d+ expected size: 2",
        ),
        (
            {"instances": [[1.0, 2.0], [3.0, 4.0, 5.0]]},
            r"Failed to process element: 1 of 'instances' list\. Error: INVALID_ARGUMENT: "
            r"Expecting tensor size: 2 but got: 3",
        ),
        (
            {"instances": [[1.0, 2.0], [[1.0, 2.0]]]},
            r"Failed to process element: 1 of 'instances' list\. Error: INVALID_ARGUMENT: "
            r"Expecting shape \[2\] but got: \[1,2\]",
        ),
    ],
)
def test_ragged_values(rest, body, pattern):
    answer = rest.predict("grid", body)
    assert answer.status == 400
    assert re.fullmatch(pattern, answer.error), answer.error


MIXED = {"f": [1.0, 2.0], "d": 4.0, "i32": 8, "i64": 16, "flag": True, "text": "a"}


@row("case: wrong keys")
@pytest.mark.parametrize("lacking", ["flag", None])
def test_an_element_with_a_name_that_is_no_input(rest, lacking):
    element = {key: value for key, value in MIXED.items() if key != lacking} | {"banner": True}
    answer = rest.predict("mixed", {"instances": [element]})
    assert answer.status == 400
    assert answer.error.endswith("JSON object: does not have named input: banner")


@row("case: wrong keys")
def test_an_element_with_too_few_names(rest):
    element = {key: value for key, value in MIXED.items() if key != "flag"}
    answer = rest.predict("mixed", {"instances": [element]})
    assert answer.status == 400
    before, _, keys = answer.error.partition(" keys must be equal to: ")
    assert "JSON object: {" in before
    assert sorted(keys.split(",")) == sorted(MIXED)


@row("case: wrong keys")
def test_columns_that_lack_a_name(rest):
    columns = {key: [value] for key, value in MIXED.items() if key != "flag"}
    answer = rest.predict("mixed", {"inputs": columns})
    message = "Missing named input: flag in 'inputs' object."
    assert (answer.status, answer.error) == (400, message)


@row("case: wrong keys")
def test_columns_with_a_name_too_many(rest):
    columns = {key: [value] for key, value in (MIXED | {"extra": "?"}).items()}
    answer = rest.predict("mixed", {"inputs": columns})
    assert (answer.status, answer.json["outputs"]["sum"]) == (200, [31.0])


@row("case: plain list, several inputs")
def test_a_plain_list_cannot_fill_several_inputs(rest):
    answer = rest.predict("mixed", {"instances": [1.0]})
    message = (
        "instances is a plain list, but expecting list of objects as multiple input tensors "
        "required as per tensorinfo_map"
    )
    assert (answer.status, answer.error) == (400, message)


@row("case: scalar output, row")
def test_a_scalar_output_has_no_rows(rest):
    answer = rest.predict("scalar_output", {"instances": [1.0, 2.0]})
    message = "Tensor name: y has no shape information "
    assert (answer.status, answer.error) == (400, message)
    assert rest.predict("scalar_output", {"inputs": [1.0, 2.0]}).json == {"outputs": 3.0}


@row("case: unequal output batches")
def test_outputs_must_have_the_same_number_of_rows(rest):
    answer = rest.predict("two_outputs", {"instances": [1.0, 2.0]})
    assert answer.status == 400
    # The first output that is looked at gives the number; which one is first is not promised.
    assert answer.error in (
        "Tensor name: first has inconsistent batch size: 1 expecting: 2",
        "Tensor name: same has inconsistent batch size: 2 expecting: 1",
    )


@row("case: classify without examples")
@pytest.mark.parametrize("verb", ["classify", "regress"])
@pytest.mark.parametrize(
    ("body", "end"),
    [
        ({}, " When method is classify, key 'examples' is expected and was not found"),
        ({"examples": []}, " 'examples' value is an empty array"),
    ],
)
def test_classify_and_regress_need_examples(rest, verb, body, end):
    answer = rest.post(f"/v1/models/half_plus_two:{verb}", body)
    assert answer.status == 400
    assert answer.error.endswith(end), answer.error


@row("case: types mixed in an example")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, "a"], "Unexpected element type in feature: f expecting type: int64"),
        ([1, 2.5], "Unexpected element type in feature: f expecting type: int64"),
        ([2.5, "a"], "Unexpected element type in feature: f expecting type: float"),
        (None, "Feature: f has element with unexpected JSON type: Null"),
        ([None], "Feature: f has element with unexpected JSON type: Null"),
    ],
)
@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_a_feature_has_one_type(rest, verb, value, message):
    answer = rest.post(f"/v1/models/half_plus_two:{verb}", {"examples": [{"f": value}]})
    assert answer.status == 400
    assert message in answer.error


@row("case: shape error of the model")
def test_an_error_of_the_graph_names_its_node(rest):
    answer = rest.predict("matrix", {"instances": [[1.0, 2.0]]})
    assert answer.status == 400
    start = "Matrix size-incompatible: In[0]: [1,2], In[1]: [3,1]\n\t [[{{node "
    assert answer.error.startswith(start)
