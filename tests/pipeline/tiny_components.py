"""Three small components, for tests of what runs components."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import String

from pipeline.errors import InputError


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
