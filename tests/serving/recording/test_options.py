import json

import pytest

from serving.errors import ServingError
from serving.recording.options import RecordingOptions, read_options


def test_without_a_file_everything_is_recorded():
    assert read_options("") == RecordingOptions()
    assert RecordingOptions().share == 1


def test_a_file_sets_options(tmp_path):
    path = tmp_path / "collect.json"
    path.write_text(json.dumps({"share": 0.5, "redact": {"maker": "hash"}, "max_mb": 400}))
    assert read_options(str(path)) == RecordingOptions(
        share=0.5, redact={"maker": "hash"}, max_mb=400
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"shar": 0.5}, "unknown key `shar`; did you mean `share`?"),
        ({"share": 0}, "share must be > 0 and <= 1, got 0"),
        ({"share": "all"}, 'share must be of the type of its default, 1.0; got "all"'),
        ({"share": True}, "share must be of the type of its default, 1.0; got true"),
        ({"redact": {"maker": "mask"}}, "redact.maker must be `drop` or `hash`, got 'mask'"),
        ({"max_mb": 100}, "max_mb must be at least 4 times max_file_mb, got 100 and 64"),
        ({"max_queue_mb": 0}, "max_queue_mb must be > 0, got 0"),
        (
            {"prediction_log": True, "redact": {"maker": "drop"}},
            "prediction_log writes requests as they were sent and cannot be used with redact",
        ),
        (
            {"key_header": "X-Machine"},
            "the name of a header in lower case, as servers compare it, ",
        ),
        ({"key_header": ""}, "got ''"),
        ([1], "expected a JSON object, got list"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_and_the_value(tmp_path, document, message):
    path = tmp_path / "collect.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ServingError) as error:
        read_options(str(path))
    assert message in error.value.message
    assert str(path) in error.value.message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ServingError, match="No such file") as error:
        read_options(str(tmp_path / "none.json"))
    assert str(tmp_path / "none.json") in error.value.message
