"""Text-format config files, with TensorFlow Serving's rules and error texts."""

import logging
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import ServingError
from serving.lifecycle.model_config import (
    VersionPolicy,
    check_request_logging,
    check_transition,
    read_metrics_path,
    read_settings,
    single_model_config,
)
from serving.protos.text_files import read_text_proto


def parse(text: str) -> ModelServerConfig:
    return text_format.Parse(text, ModelServerConfig())


def models(*texts: str) -> ModelServerConfig:
    return parse("model_config_list {" + "".join(f"config {{ {text} }}" for text in texts) + "}")


HALF = 'name: "half" base_path: "/models/half" model_platform: "tensorflow"'


def test_a_model_has_its_path_policy_and_labels():
    labels = 'version_labels { key: "stable" value: 3 }'
    policy = "model_version_policy { specific { versions: [3, 4] } }"
    settings = read_settings(models(f"{HALF} {policy} {labels}"))["half"]
    assert settings.base_path == "/models/half"
    assert settings.policy == VersionPolicy(specific=frozenset({3, 4}))
    assert settings.labels == {"stable": 3}


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", {7}),
        ("latest {}", {7}),
        ("latest { num_versions: 2 }", {5, 7}),
        ("latest { num_versions: 9 }", {2, 5, 7}),
        ("all {}", {2, 5, 7}),
        ("specific { versions: 5 versions: 6 }", {5}),
    ],
)
def test_policies_choose_among_the_versions_that_exist(policy, served):
    text = f"{HALF} model_version_policy {{ {policy} }}" if policy else HALF
    assert read_settings(models(text))["half"].policy.choose({2, 5, 7}) == served


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (models(HALF, HALF), "Illegal to list model half multiple times in config list"),
        (
            models('name: "half" base_path: "half" model_platform: "tensorflow"'),
            r"Expected model half to have an absolute path or URI; got base_path\(\)=half$",
        ),
        (models('name: "half" base_path: "/half"'), "Illegal setting neither"),
        (models(f"{HALF} model_type: TENSORFLOW"), "Illegal setting both"),
        (models('name: "a" base_path: "/a" model_type: OTHER'), "choice 2 not supported"),
        (
            models('name: "half" base_path: "/half" model_platform: "sklearn"'),
            "Model half requests unsupported platform sklearn",
        ),
    ],
)
def test_a_wrong_config_is_refused_in_the_words_of_tensorflow_serving(config, message):
    with pytest.raises(ServingError, match=message) as caught:
        read_settings(config)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_path_may_be_a_uri_and_the_old_model_type_is_understood():
    config = models('name: "a" base_path: "gs://bucket/a" model_type: TENSORFLOW')
    assert read_settings(config)["a"].base_path == "gs://bucket/a"


def test_the_flags_of_one_model_are_a_config_of_one_model():
    settings = read_settings(single_model_config("half", "/models/half"))
    assert list(settings) == ["half"]
    assert settings["half"].policy == VersionPolicy(num_latest=1)


def test_a_list_of_models_can_only_be_followed_by_another():
    check_transition(None, ModelServerConfig())
    check_transition(models(HALF), models(HALF))
    with pytest.raises(ServingError, match="Cannot transition to requested config") as caught:
        check_transition(models(HALF), ModelServerConfig())
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_request_logging_is_refused():
    check_request_logging(models(HALF))
    with pytest.raises(ServingError, match=r"No request-logger-creator provided\."):
        check_request_logging(models(f"{HALF} logging_config {{}}"))


def test_a_file_that_cannot_be_parsed_is_logged_with_line_and_column(tmp_path, caplog):
    file = tmp_path / "models.config"
    file.write_text("model_config_list {\n  config { nme: 'half' }\n}")
    with caplog.at_level(logging.ERROR), pytest.raises(ServingError) as caught:
        read_text_proto(str(file), ModelServerConfig)
    assert caught.value.message == f"Invalid protobuf file: '{file}'"
    assert caplog.messages == [
        "Error parsing text-format tensorflow.serving.ModelServerConfig: 2:12: "
        'Message type "tensorflow.serving.ModelConfig" has no field named "nme".'
    ]


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(ServingError, match=r"no\.config; No such file or directory") as caught:
        read_text_proto(str(tmp_path / "no.config"), ModelServerConfig)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    (tmp_path / "binary.config").write_bytes(b"\xff\xfe")
    with pytest.raises(ServingError, match=r"Invalid protobuf file: '.*binary\.config'"):
        read_text_proto(str(tmp_path / "binary.config"), ModelServerConfig)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { path: "/metrics" }', None),
        ("", None),
    ],
)
def test_metrics_have_a_path_once_they_are_enabled(tmp_path, text, path):
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_metrics_path(str(file)) == path


def test_without_a_monitoring_file_there_are_no_metrics():
    assert read_metrics_path("") is None


def test_the_files_that_are_deployed_can_be_read(project: Path):
    deploy = project / "serving" / "deploy"
    config = read_text_proto(str(deploy / "models.config"), ModelServerConfig)
    assert read_settings(config)["signals"].base_path == "/models/signals"
    assert read_metrics_path(str(deploy / "monitoring.config")) == "/monitoring/prometheus/metrics"
