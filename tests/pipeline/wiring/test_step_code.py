"""The cache is held to the code: what a step imports is what reruns it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.wiring.import_closure import import_closure
from pipeline.wiring.step_code import ENTRY_MODULES, HARMLESS, step_code

# One process imports the libraries; then each step's modules in a fork of it.
_IMPORT_EACH = """
import importlib, json, os, sys
import apache_beam, tensorflow, tensorflow_transform, tfx.components, tensorflow_model_analysis
entries, packages = json.loads(sys.argv[1])
before = set(sys.modules)
for step, modules in entries.items():
    sys.stdout.flush()
    if os.fork():
        os.wait()
        continue
    for module in modules:
        importlib.import_module(module)
    new = [n for n in set(sys.modules) - before if n.partition(".")[0] in packages]
    print(json.dumps([step, sorted(new)]), flush=True)
    os._exit(0)
"""
_PACKAGES = ["common", "measuring", "models", "serving", "datasets", "pipeline"]


def missing_files(project: Path, step: str, imported: list[str]) -> set[str]:
    """The files of imported modules that neither the step's code nor `HARMLESS` has."""
    everything = import_closure(HARMLESS, project) | {
        project / name for name in json.loads(step_code(step, project))
    }
    return {
        name
        for name in imported
        if not everything
        & {project / f"{name.replace('.', '/')}{end}" for end in (".py", "/__init__.py")}
    }


@pytest.fixture(scope="module")
def imported(project) -> dict[str, list[str]]:
    command = [sys.executable, "-c", _IMPORT_EACH, json.dumps([dict(ENTRY_MODULES), _PACKAGES])]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


@pytest.mark.tensorflow
@pytest.mark.parametrize("step", ENTRY_MODULES)
def test_every_module_that_a_step_imports_is_in_its_code_or_harmless(project, imported, step):
    assert missing_files(project, step, imported[step]) == set()


@pytest.mark.tensorflow
def test_a_helper_that_is_imported_by_a_computed_name_is_found_missing(project, imported):
    modules = [*imported["ModelGate"], "pipeline.onboarding.proposal"]
    assert missing_files(project, "ModelGate", modules) == {"pipeline.onboarding.proposal"}


@pytest.fixture
def copy(project, tmp_path) -> Path:
    for package in _PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project / package, tmp_path / package, ignore=ignore)
    return tmp_path


def test_a_planted_helper_becomes_part_of_the_steps_that_reach_it(copy):
    before = {step: step_code(step, copy) for step in ENTRY_MODULES}
    (copy / "measuring" / "planted.py").write_text("LIMIT = 3\n")
    with (copy / "measuring" / "intervals.py").open("a") as source:
        source.write("\n\ndef late():\n    from measuring import planted\n")
    changed = {step for step in ENTRY_MODULES if step_code(step, copy) != before[step]}
    assert changed == {
        "DataReport",
        "Tuner",
        "Trainer",
        "Evaluator",
        "ModelGate",
        "ErrorAnalyzer",
        "ModelReport",
    }
    assert "measuring/planted.py" in json.loads(step_code("Evaluator", copy))


def test_an_edit_of_a_page_template_changes_its_step(copy):
    before = step_code("DataReport", copy)
    [template] = (copy / "pipeline/components/data_report/templates").glob("*.j2")
    template.write_text(template.read_text() + " ")
    assert step_code("DataReport", copy) != before


def test_harmless_modules_exist_and_each_has_a_reason(project):
    for module, reason in HARMLESS.items():
        assert import_closure([module], project)
        assert reason.endswith("."), module


@pytest.mark.tensorflow
def test_every_component_of_the_pipeline_carries_its_code(tmp_path):
    """Resolvers look anew in every run, and TFX's own SchemaGen has no code of ours."""
    from common.metadata import sqlite_connection
    from common.output_folder import OutputFolder
    from pipeline.config_loading import load_config
    from pipeline.create import create_pipeline
    from pipeline.reading.data_source import find_source
    from tests.e2e.harness import wells_csv, write_wells

    config = load_config(write_wells(tmp_path, wells_csv(40)))
    folder = OutputFolder(tmp_path / "output")
    source = find_source(config, folder)
    pipeline = create_pipeline(config, source, folder, sqlite_connection(tmp_path / "m.db"))
    without = {
        component.id
        for component in pipeline.components
        if not component.id.endswith("Resolver")
        and "code_digest" not in str(component.exec_properties)
    }
    assert without == {"SchemaGen"}
