"""Three small components, for tests of what runs components."""

from pathlib import Path

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import String

from common.errors import InputError


@component
def Write(text: OutputArtifact[String], value: Parameter[str]) -> None:
    Path(text.uri).parent.mkdir(parents=True, exist_ok=True)
    Path(text.uri).write_text(value)


@component
def Copy(text: InputArtifact[String], copy: OutputArtifact[String]) -> None:
    Path(copy.uri).parent.mkdir(parents=True, exist_ok=True)
    Path(copy.uri).write_text(Path(text.uri).read_text())


@component
def Fail(text: InputArtifact[String], how: Parameter[str]) -> None:
    if how == "user":
        raise InputError("column `x` is missing")
    if how == "ctrl_c":
        raise KeyboardInterrupt
    raise RuntimeError("disk on fire")


@component(use_beam=True)
def Flaky(
    text: OutputArtifact[String],
    marks: Parameter[str],
    failures: Parameter[int],
    how: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Fails so many times; each try leaves a mark."""
    folder = Path(marks)
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    Path(text.uri).parent.mkdir(parents=True, exist_ok=True)
    Path(text.uri).write_text("half")
    if tries < failures:
        if how == "user":
            raise InputError("column `x` is missing")
        if how == "ctrl_c":
            raise KeyboardInterrupt
        raise RuntimeError("a worker was lost")
    Path(text.uri).write_text("whole")
