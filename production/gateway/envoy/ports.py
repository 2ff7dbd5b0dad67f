"""Ports and sockets of the gateway and its servers."""

from dataclasses import dataclass

from production.gateway.traffic import Arm


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where the server of one arm listens.

    Attributes:
        grpc: Port of gRPC.
        rest: Port of REST.
        host: IP address, or a name that DNS knows.
    """

    grpc: int
    rest: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """All addresses of a gateway.

    Attributes:
        grpc: Port of gRPC for clients.
        rest: Port of REST for clients.
        stable: The server of the stable arm.
        candidate: The server of the candidate arm.
    """

    grpc: int
    rest: int
    stable: ServerAddress
    candidate: ServerAddress

    def server(self, arm: Arm) -> ServerAddress:
        """Returns where the server of one arm listens."""
        return self.stable if arm is Arm.STABLE else self.candidate
