import pytest

from common.errors import InputError
from pipeline.running.kubeflow.specification import check_sdk


def test_a_python_without_the_sdk_is_named_with_the_one_that_has_it():
    with pytest.raises(InputError, match=r"This is Python 3\.12\..*need Python 3\.11"):
        check_sdk((3, 12))
