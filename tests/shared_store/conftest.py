from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_store.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path).running() as running:
        yield running
