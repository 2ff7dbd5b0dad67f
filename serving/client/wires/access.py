"""Access to a server behind a gateway: TLS and a token."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from serving.client.wires.calls import Headers


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a client shows who it is, and knows whom it talks to.

    Attributes:
        token: Bearer token; None sends none.
        ca_file: PEM file of the authorities that may have signed the server's certificate; None
            takes those of the system.
    """

    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    @property
    def headers(self) -> Headers:
        """Headers of every call."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    @property
    def authorities(self) -> bytes | None:
        """Content of `ca_file`; None without one."""
        return None if self.ca_file is None else Path(self.ca_file).read_bytes()

    def check(self, server: str) -> None:
        """Checks that the token does not cross a network in plain text.

        Args:
            server: Address of the server.

        Raises:
            ValueError: It would.
        """
        parts = urlsplit(server)
        is_plain = parts.scheme in {"grpc", "http"}
        if self.token is not None and is_plain and not _is_loopback(parts.hostname or ""):
            raise ValueError(
                f"a token for {parts.scheme}://{parts.netloc} would cross the network in plain "
                "text. Expected grpcs://HOST:PORT, https://HOST:PORT or a server on loopback"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
