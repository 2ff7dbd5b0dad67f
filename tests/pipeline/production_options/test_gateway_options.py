"""The `gateway` section of a use case's YAML."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.production_options.gateway import GatewayOptions, RateLimit, Tls

EVERYWHERE = "0.0.0.0"  # noqa: S104


def test_by_default_the_gateway_is_for_this_machine_only_and_changes_no_model():
    options = GatewayOptions()

    assert (options.host, options.grpc_port, options.rest_port) == ("127.0.0.1", 8500, 8501)
    assert not options.allow_reload


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0.1:80", "[::1]"])
def test_a_host_is_an_ip_address(host):
    with pytest.raises(ValidationError, match=r"host must be an IP address such as 127.0.0.1"):
        GatewayOptions(host=host)


def test_two_wires_need_two_ports():
    with pytest.raises(ValidationError, match="grpc_port and rest_port are both 9000"):
        GatewayOptions(grpc_port=9000, rest_port=9000)
    assert GatewayOptions(grpc_port=0, rest_port=0).rest_port == 0


def test_tokens_do_not_cross_a_network_in_plain_text():
    with pytest.raises(ValidationError, match=r"clients needs tls where host is 0.0.0.0"):
        GatewayOptions(host=EVERYWHERE, clients="clients.txt")
    GatewayOptions(host=EVERYWHERE)
    GatewayOptions(host="::1", clients="clients.txt")
    GatewayOptions(host=EVERYWHERE, clients="clients.txt", tls=Tls(certificate="c", key="k"))


def test_a_burst_is_at_least_the_rate_of_a_second():
    with pytest.raises(ValidationError, match="burst must be >= requests_per_s, got 5 and 10"):
        RateLimit(requests_per_s=10, burst=5)


def test_paths_start_at_the_folder_of_the_yaml_unless_they_are_absolute():
    tls = Tls(certificate="tls/cert.pem", key="/run/secrets/key.pem")

    located = GatewayOptions(tls=tls, clients="clients.txt").located(Path("/configs"))

    assert located.tls == Tls(certificate="/configs/tls/cert.pem", key="/run/secrets/key.pem")
    assert located.clients == "/configs/clients.txt"
    assert GatewayOptions().located(Path("/configs")) == GatewayOptions()
