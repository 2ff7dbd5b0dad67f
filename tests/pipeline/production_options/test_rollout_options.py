import pytest
from pydantic import ValidationError

from pipeline.production_options.rollout import RolloutOptions


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-faultline-arm", "x-request-id"])
def test_a_key_header_with_another_use_is_refused(name):
    with pytest.raises(ValidationError, match="must name a header of its own"):
        RolloutOptions(key_header=name)
