"""The curated schema of a use case as an artifact.

TFX's `ImportSchemaGen` keys its cache on the file's path, so that an edited schema would be served
from the cache. Here the text itself is the parameter.
"""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Schema


@component
def CuratedSchema(  # noqa: N802 - a component is a noun
    schema: OutputArtifact[Schema],
    text: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Writes the schema where TFX's components expect it.

    Args:
        schema: The artifact; gets one file, `schema.pbtxt`.
        text: A `tensorflow.metadata.v0.Schema` in text format.
        code_digest: Digest of this code.
    """
    folder = Path(schema.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.pbtxt").write_text(text, encoding="utf-8")
