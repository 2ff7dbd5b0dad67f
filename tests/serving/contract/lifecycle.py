"""The changing models of one server: reloads, and the states of their versions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.serving.contract.launching import LaunchedServer, always, eventually
from tests.serving.contract.wires import Answer, refusal

AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"
SECONDS_OF_TWO_POLLS = 2.5


class Models:
    """The models of one server, by name and base path.

    Args:
        server: Polls every second.
        folder: Parent of relative base paths.
    """

    def __init__(self, server: LaunchedServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def request(self, entries: Mapping[str, Any]) -> Any:
        """A ReloadConfigRequest of `base_path` and text of further fields by model name."""
        from google.protobuf import text_format
        from tensorflow_serving.apis import model_management_pb2
        from tensorflow_serving.config import model_server_config_pb2

        from tests.serving.contract.models import model_config

        text = model_config(
            {
                name: entry if isinstance(entry, tuple) else (self.folder / name, entry)
                for name, entry in entries.items()
            }
        )
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        return model_management_pb2.ReloadConfigRequest(config=config)

    def reload(self, **entries: Any) -> None:
        """Serves these models and no others; a value is the text of further fields."""
        call = self.server.grpc.models.HandleReloadConfigRequest
        answer = call(self.request(entries), timeout=60)
        assert answer.status.error_code == 0, answer

    def refused(self, **entries: Any) -> tuple[str, str]:
        """Status and message of a reload that must fail."""
        return refusal(self.server.grpc.models.HandleReloadConfigRequest, self.request(entries))

    def statuses(self, name: str) -> dict[str, dict[str, Any]]:
        """Status by version; empty for a model that the server never saw."""
        answer = self.server.rest.get(f"/v1/models/{name}")
        listed = answer.json.get("model_version_status", [])
        return {entry["version"]: entry for entry in listed}

    def states(self, name: str) -> dict[str, str]:
        return {version: entry["state"] for version, entry in self.statuses(name).items()}

    def stay(
        self, name: str, states: Mapping[str, str], *, duration_s: float = SECONDS_OF_TWO_POLLS
    ) -> None:
        """Checks that the versions are in exactly these states for a while."""
        always(states, lambda: self.states(name), duration_s=duration_s)

    def wait_for(self, name: str, states: Mapping[str, str], *, timeout_s: float = 20.0) -> None:
        """Waits until the versions that the server lists are in exactly these states."""
        seen: list[dict[str, str]] = [{}]

        def reached() -> bool:
            seen[0] = self.states(name)
            return seen[0] == states

        try:
            eventually(reached, timeout_s=timeout_s)
        except AssertionError:
            raise AssertionError(f"{name}: expected {states}, got {seen[0]}") from None

    def predict(self, which: str) -> Answer:
        return self.server.rest.predict(which, {"instances": [0.0]})

    def offset(self, which: str) -> float:
        """The offset that the answering version of a half_plus_two model adds."""
        answer = self.predict(which)
        assert answer.status == 200, answer.body
        return float(answer.json["predictions"][0])
