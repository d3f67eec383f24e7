"""`bailiwick up` with two gateways of one tenant on one Redis: real Envoys, real agents."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.documents import backend, provider, route, tenant
from acceptance.running import CountingProvider, Up, running, wait_for
from shared_store.redis_server import RedisServer

CAP = 100
NAMESPACES = ("acme-a", "acme-b")


def body_for(alias: str) -> bytes:
    content = json.dumps({"tokens": 3})
    return json.dumps(
        {"model": alias, "max_tokens": CAP, "messages": [{"role": "user", "content": content}]}
    ).encode()


BODY = body_for("fast")
RESERVATION = len(BODY) + CAP


async def call(client: httpx.AsyncClient, up: Up, index: int, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return await client.post(f"{up.url(index)}/v1/chat/completions", content=BODY, headers=headers)


async def burst(up: Up, token: str, count: int) -> list[httpx.Response]:
    """So many calls at once, by turns at both gateways."""
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        return list(await asyncio.gather(*(call(client, up, n % 2, token) for n in range(count))))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[CountingProvider]:
    made = CountingProvider("a", tmp_path)
    yield made
    made.stop()


def answered(response: httpx.Response) -> httpx.Response | None:
    """The answer, unless it says that there can be none now."""
    return None if response.status_code == 503 else response


def documents(source: CountingProvider, limits: dict[str, Any], **spec: Any) -> list[Any]:
    return [
        tenant(namespaces=NAMESPACES, limits=limits, **spec),
        provider("a", source.port),
        *(route("fast", backend("a"), namespace=name) for name in NAMESPACES),
    ]


def test_both_together_admit_what_the_tenant_may_use(
    tmp_path: Path, server: RedisServer, source: CountingProvider
) -> None:
    """200 calls at once at two gateways: as many pass as fit, neither more nor less."""
    fitting = 23
    limit = fitting * RESERVATION + 37
    up = Up(tmp_path, namespaces=2)
    up.arguments += ["--quota-store", server.address]
    with running(up, documents(source, {"tokensPerMonth": limit})):
        wait_for("the other gateway", lambda: up.ready(1))
        source.control("hold")
        token = up.token(user="u1")

        async def scenario() -> list[httpx.Response]:
            calls = asyncio.create_task(burst(up, token, 200))
            await asyncio.to_thread(
                wait_for, "the admitted arrive", lambda: source.control("x")["inflight"] == fitting
            )
            await asyncio.sleep(1)
            source.control("release")
            return await calls

        answers = asyncio.run(scenario())
        assert Counter(one.status_code for one in answers) == {200: fitting, 429: 200 - fitting}
        refused = next(one for one in answers if one.status_code == 429).json()["error"]
        assert refused["code"] == "insufficient_quota"
        # Settled at less than was reserved, and the other gateway knows: there is room again.
        more = wait_for(
            "room again",
            lambda: [one for one in asyncio.run(burst(up, token, 40)) if one.status_code == 200],
        )
        assert len(more) >= fitting
        assert "bailiwick_quota_store_replicas 2.0" in up.scrape()


def test_without_its_store_a_tenant_is_refused_and_comes_back(
    tmp_path: Path, server: RedisServer, source: CountingProvider
) -> None:
    """Redis dies: 503 with a code; it returns empty: the month's use is what it was."""
    up = Up(tmp_path, namespaces=2)
    own_store = {"address": server.address, "tls": False}
    url = f"http://127.0.0.1:{source.port}/v1/chat/completions"
    each = int(httpx.post(url, content=BODY).json()["usage"]["total_tokens"])
    # After two calls a third does not fit; it would, had the use of either been forgotten.
    limits = {"tokensPerMonth": RESERVATION + 2 * each - 1}
    with running(up, documents(source, limits, quotaStore=own_store)):
        wait_for("the other gateway", lambda: up.ready(1))
        token = up.token(user="u1")

        def status(index: int) -> httpx.Response:
            async def one() -> httpx.Response:
                async with httpx.AsyncClient(timeout=60) as client:
                    return await call(client, up, index, token)

            return asyncio.run(one())

        for index in (0, 1):
            wait_for("a call passes", lambda index=index: status(index).status_code == 200)
        server.kill()
        refused = wait_for("it is refused", lambda: (said := status(0)).status_code == 503 and said)
        assert refused.json()["error"]["code"] == "quota_store_unavailable"
        assert refused.headers["retry-after"] == "1"
        status_file = up.data / "run" / "acme-a" / "status.json"
        (said,) = wait_for(
            "the status says so", lambda: json.loads(status_file.read_text())["degraded"]
        )
        assert said["dependency"] == "quota-store"
        server.start()
        for index in (0, 1):
            said = wait_for("it answers", lambda index=index: answered(status(index)))
            assert said.status_code == 429
        assert "bailiwick_quota_store_losses_total 1.0" in up.scrape(0)


def test_a_namespace_that_left_is_not_forgotten_with_the_store(
    tmp_path: Path, server: RedisServer, source: CountingProvider
) -> None:
    """acme-a uses the month and is taken out; Redis comes back empty; acme-b refuses all the same.

    The ledgers of this machine say it: acme-a's is there, though nobody serves it.
    """
    url = f"http://127.0.0.1:{source.port}/v1/chat/completions"
    each = int(httpx.post(url, content=BODY).json()["usage"]["total_tokens"])
    # One more call fits after two, and no other.
    limits = {"tokensPerMonth": RESERVATION + 2 * each}
    up = Up(tmp_path, namespaces=2)
    up.arguments += ["--quota-store", server.address]

    async def one(index: int, token: str) -> int:
        async with httpx.AsyncClient(timeout=60) as client:
            return (await call(client, up, index, token)).status_code

    def passes(index: int, token: str) -> bool:
        return asyncio.run(one(index, token)) == 200

    with running(up, documents(source, limits)):
        wait_for("the other gateway", lambda: up.ready(1))
        token = up.token(user="u1")
        for _ in range(2):
            wait_for("a call passes", lambda: passes(0, token))
    server.kill()
    server.start()
    left = [
        tenant(namespaces=("acme-b",), limits=limits),
        provider("a", source.port),
        route("fast", backend("a"), namespace="acme-b"),
    ]
    with running(up, left):
        token = up.token(user="u1")
        wait_for("the last call passes", lambda: passes(0, token))
        assert asyncio.run(one(0, token)) == 429
        assert "bailiwick_quota_store_rebuilt_amounts_total 1.0" in up.scrape()
