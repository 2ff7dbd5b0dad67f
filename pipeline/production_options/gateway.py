"""Options for the gateway in front of a served model."""

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

FilePath = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Tls:
    """The gateway's own certificate; both files are read again when they are replaced by rename.

    Attributes:
        certificate: PEM file with the certificate chain, the gateway's own certificate first.
        key: PEM file with the private key.
    """

    certificate: FilePath
    key: FilePath


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class RateLimit:
    """Largest rate of one client on each wire; more is refused with 429 or RESOURCE_EXHAUSTED.

    Attributes:
        requests_per_s: Requests per second in the long run, from 1 on.
        burst: Requests at once after a pause; by default those of one second.
    """

    requests_per_s: Annotated[int, Field(ge=1, le=1_000_000)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _burst_of_a_second(self) -> "RateLimit":
        if self.burst is not None and self.burst < self.requests_per_s:
            raise ValueError(
                f"burst must be >= requests_per_s, got {self.burst} and {self.requests_per_s}"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class GatewayOptions:
    """The gateway of `faultline serve --gateway`: Envoy in front of two servers of one model.

    Attributes:
        host: IP address that the gateway listens on.
        grpc_port: Port of gRPC; 0 takes a free one.
        rest_port: Port of REST; 0 takes a free one.
        tls: Certificate and key; by default the gateway speaks plain text.
        clients: File of the clients and the SHA-256 of their bearer tokens; by default every client
            is served.
        rate_limit: Largest rate of each client: by its name in `clients`, else by its IP address.
        max_body_mib: Largest request in MiB, > 0; larger ones are refused.
        timeout_s: Longest time for an answer in seconds, > 0.
        allow_reload: Whether clients may change the servers' models by HandleReloadConfigRequest.
        access_log: Whether each request is logged as a line of JSON.
    """

    host: str = "127.0.0.1"
    grpc_port: Port = 8500
    rest_port: Port = 8501
    tls: Tls | None = None
    clients: FilePath | None = None
    rate_limit: RateLimit | None = None
    max_body_mib: Annotated[float, Field(gt=0, le=2047)] = 64.0
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    allow_reload: bool = False
    access_log: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> "GatewayOptions":
        try:
            is_loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError as error:
            raise ValueError(
                f"host must be an IP address such as 127.0.0.1 or 0.0.0.0, got {self.host!r}"
            ) from error
        if self.rest_port and self.rest_port == self.grpc_port:
            raise ValueError(f"grpc_port and rest_port are both {self.rest_port}")
        if self.clients is not None and self.tls is None and not is_loopback:
            raise ValueError(
                f"clients needs tls where host is {self.host}: tokens would cross the network in "
                "plain text. Set `tls`, or `host: 127.0.0.1` behind a proxy that speaks TLS"
            )
        return self

    def located(self, folder: Path) -> "GatewayOptions":
        """Returns these options with absolute paths.

        Args:
            folder: The YAML's folder, where relative paths start.
        """
        tls, clients = self.tls, self.clients
        if tls is not None:
            certificate, key = (
                str(folder.absolute() / path) for path in (tls.certificate, tls.key)
            )
            tls = Tls(certificate=certificate, key=key)
        if clients is not None:
            clients = str(folder.absolute() / clients)
        return replace(self, tls=tls, clients=clients)
