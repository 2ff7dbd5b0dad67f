import pytest
from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue


@dataclass(frozen=True, kw_only=True)
class Limits(JsonValue):
    name: str = ""
    shares: tuple[float, ...] = ()


def test_a_value_survives_as_json():
    limits = Limits(name="pump", shares=(0.5, 0.25))
    assert limits.to_json() == '{"name":"pump","shares":[0.5,0.25]}'
    read = Limits.from_json(limits.to_json())
    assert (read, type(read)) == (limits, Limits)


def test_a_text_of_another_type_is_refused():
    with pytest.raises(ValidationError, match="shares"):
        Limits.from_json('{"shares": "half"}')
