"""The private names of libraries are there, in the versions that they were written for."""

import importlib
import importlib.metadata
import inspect

import pytest

from common.internals import beam, tf, tfdv, tfma, tft, tfx, tfx_bsl

MODULES = {
    "apache-beam": beam,
    "tensorflow": tf,
    "tensorflow-data-validation": tfdv,
    "tensorflow-model-analysis": tfma,
    "tensorflow-transform": tft,
    "tfx": tfx,
    "tfx-bsl": tfx_bsl,
}
NAMES = [(package, name) for package, module in MODULES.items() for name in module.NAMES]


def resolve(name):
    """Returns what `module:Class.attribute` names; of `Class().attribute` the class that sets it.

    Raises:
        AttributeError: It is gone.
    """
    module, _, path = name.partition(":")
    value = importlib.import_module(module)
    for part in path.split("."):
        if path.endswith(f"().{part}"):
            return _setter(value, part)
        value = getattr(value, part.removesuffix("()"))
    return value


def _setter(kind, attribute):
    for base in kind.__mro__[:-1]:
        if f"self.{attribute} = " in inspect.getsource(base):
            return base
    raise AttributeError(f"{kind.__qualname__} sets no {attribute}")


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_private_name_is_there(package, name):
    try:
        resolve(name)
    except (ImportError, AttributeError) as error:
        version = importlib.metadata.version(package)
        pytest.fail(f"{name} is gone from {package} {version}: {error}")


@pytest.mark.parametrize(("package", "module"), MODULES.items(), ids=MODULES)
def test_the_version_is_the_one_that_the_names_were_read_in(package, module):
    assert importlib.metadata.version(package).startswith(f"{module.VERSION}.")


@pytest.mark.parametrize(
    "name",
    [
        "tfx.components.transform.executor:_Gone",
        "tfx_bsl.tfxio.tf_example_record:TFExampleRecord()._gone",
        "apache_beam.gone:Name",
    ],
)
def test_a_name_that_is_gone_is_noticed(name):
    with pytest.raises((ImportError, AttributeError), match="gone"):
        resolve(name.replace("_Gone", "_gone"))


def test_beam_inspects_a_dofn_once_and_knows_its_states(monkeypatch):
    import apache_beam
    from apache_beam.coders import StrUtf8Coder
    from apache_beam.transforms import userstate

    monkeypatch.setattr(userstate, "get_dofn_specs", userstate.get_dofn_specs)  # put back after it
    inspections = []

    class Counting(apache_beam.DoFn):
        BAG = userstate.BagStateSpec("bag", StrUtf8Coder())

        def __dir__(self) -> list[str]:
            inspections.append(self)
            return list(super().__dir__())

        def process(self, element, bag=apache_beam.DoFn.StateParam(BAG)):  # noqa: B008 - Beam's way
            bag.add(element)

    beam.remember_specs()
    beam.remember_specs()
    dofn = Counting()
    for _ in range(3):
        assert userstate.get_dofn_specs(dofn) == ({Counting.BAG}, set())
    assert len(inspections) == 1
    assert userstate.is_stateful_dofn(dofn)
    assert not userstate.is_stateful_dofn(apache_beam.transforms.core.CallableWrapperDoFn(len))
