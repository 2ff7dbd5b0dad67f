"""The steps of a compiled pipeline and what each depends on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2


@dataclass(frozen=True)
class StepGraph:
    """The steps of a pipeline in the order of `faultline run`.

    Attributes:
        upstream: Step to the steps that must have ended before it.
    """

    upstream: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, compiled: "pipeline_pb2.Pipeline") -> Self:
        """Returns the steps of a compiled pipeline."""
        nodes = [entry.pipeline_node for entry in compiled.nodes]
        return cls({node.node_info.id: tuple(sorted(node.upstream_nodes)) for node in nodes})

    def to_json(self) -> str:
        """Returns the steps and their dependencies as JSON."""
        return json.dumps({step: list(before) for step, before in self.upstream.items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Returns the steps that `to_json` wrote to a file."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls({step: tuple(before) for step, before in values.items()})

    @property
    def digest(self) -> str:
        """The first half of the SHA-256 of the steps and their dependencies."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]
