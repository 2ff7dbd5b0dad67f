"""The section `collection` of a YAML."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.production_options.collection import Collection, check_collection
from serving.recording.options import RecordingOptions


def read(**keys):
    return TypeAdapter(Collection).validate_python(keys)


def test_the_defaults_are_those_of_the_server():
    assert Collection().recording() == RecordingOptions()


def test_the_server_gets_the_section_and_the_key_header_of_rollouts():
    collection = read(share=0.1, redact={"maker": "hash"}, max_mb=500)
    assert collection.recording(key_header="x-pump") == RecordingOptions(
        share=0.1, redact={"maker": "hash"}, max_mb=500, key_header="x-pump"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"share": 0}, "greater than 0"),
        ({"redact": {"maker": "mask"}}, "'drop' or 'hash'"),
        ({"max_mb": 10}, "max_mb must be at least 4 times max_file_mb, got 10 and 64"),
        ({"prediction_log": True, "redact": {"maker": "drop"}}, "remove one of the two"),
        ({"shares": 1}, "Unexpected keyword"),
    ],
)
def test_a_wrong_section_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        read(**keys)


def test_only_recorded_columns_can_be_redacted():
    features = {"maker": object()}
    check_collection(Collection(redact={"maker": "hash", "key": "drop"}), features)
    with pytest.raises(ValueError, match="names `makr`, which is not recorded"):
        check_collection(Collection(redact={"makr": "hash"}), features)


def test_the_sections_of_production_load_neither_grpc_nor_scipy():
    modules = ", ".join(
        f"pipeline.production_options.{name}"
        for name in ("automation", "collection", "gateway", "monitoring", "rollout")
    )
    code = f"import sys, {modules}; print(sorted({{'grpc', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
