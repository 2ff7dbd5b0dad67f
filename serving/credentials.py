"""TLS credentials of the gRPC port, from TensorFlow Serving's SSLConfig."""

import ssl
import tempfile
from pathlib import Path
from typing import Any

import grpc

from serving.errors import invalid_argument
from serving.protos.config_files import SSLConfig
from serving.protos.text_files import read_text_proto


def read_credentials(ssl_config_file: str) -> grpc.ServerCredentials | None:
    """Returns the credentials in a text-format SSLConfig; None without a file.

    The file holds the key and the certificates themselves, in PEM. With `client_verify`, clients
    need a certificate that `custom_ca` signed.

    Raises:
        ServingError: The file is missing, cannot be parsed, or its key and certificates are
            invalid.
    """
    if not ssl_config_file:
        return None
    config: Any = read_text_proto(ssl_config_file, SSLConfig)
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{ssl_config_file}: client_verify needs custom_ca")
    _check(config, ssl_config_file)
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _check(config: Any, file: str) -> None:
    """Checks key and certificates; gRPC would accept them all and refuse each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        key.write_text(config.server_key, encoding="utf-8")
        certificate.write_text(config.server_cert, encoding="utf-8")
        try:
            context.load_cert_chain(certificate, key)
            if config.custom_ca:
                context.load_verify_locations(cadata=config.custom_ca)
        except (ssl.SSLError, ValueError) as error:
            raise invalid_argument(
                f"{file}: server_key, server_cert and custom_ca must be a key, its certificate "
                f"and certificates, all in PEM: {error}"
            ) from error
