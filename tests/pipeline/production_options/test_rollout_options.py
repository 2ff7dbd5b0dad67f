import pytest
from pydantic import ValidationError

from pipeline.production_options.rollout import RolloutOptions


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "cookie", "x-faultline-arm", "x-request-id"),
        *("proxy-authorization", "x-api-key", "x-auth-token", "x-client-secret"),
    ],
)
def test_a_key_header_with_another_use_is_refused(name):
    with pytest.raises(ValidationError, match="must name a header of its own"):
        RolloutOptions(key_header=name)


@pytest.mark.parametrize("name", ["x-faultline-key", "x-pump", "x-monkey-id", "x-well-key"])
def test_a_key_header_may_be_called_a_key(name):
    assert RolloutOptions(key_header=name).key_header == name
