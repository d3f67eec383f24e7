"""One real Envoy for each module; every test starts with fresh doubles' memories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import completion, deny
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Reply


def two_backends(gateway: Gateway) -> configs.TenantConfig:
    """One route over two providers."""
    ports = {"a": gateway.providers[0].port, "b": gateway.providers[1].port}
    return configs.config(ports, configs.route())


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway of this module."""
    directory: Path = tmp_path_factory.mktemp("gw")
    with Gateway(directory, two_backends) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Iterator[Gateway]:
    """The module's gateway, its doubles as new."""
    shared_gateway.agent.asked.clear()
    shared_gateway.agent.on_admit = lambda _: deny(500, "unset")
    shared_gateway.agent.on_attempt = lambda _: deny(500, "unset")
    shared_gateway.agent.on_answer = lambda _: Reply(200, {"x-bw-agent": "1"})
    for provider in shared_gateway.providers:
        provider.received.clear()
        provider.on_call = lambda _: completion()
    said = len(shared_gateway.log())
    yield shared_gateway
    print(shared_gateway.log()[said:])
