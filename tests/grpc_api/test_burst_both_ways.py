"""One limit, two protocols: together they never get more than it allows."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
from documents import backend, provider, quota, route, tenant
from running import CountingProvider, Up, running, wait_for
from serving import ask

from bailiwick.llm.v1.llm_pb2_grpc import LanguageModelStub
from bailiwick_sidecar.llm_grpc.mapping.questions import chat_json

CAP = 100
HEADROOM = 37
EACH = 100
FITTING = 23


def test_a_burst_by_http_and_grpc_together_reserves_up_to_the_limit(tmp_path: Path) -> None:
    """Of 200 calls at once, half by each way, exactly those that fit are admitted."""
    source = CountingProvider("a", tmp_path)
    request = ask({"tokens": 3}, max_tokens=CAP)
    body = chat_json(request)
    up = Up(tmp_path)
    limit = FITTING * (len(body) + CAP) + HEADROOM
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a")),
        quota("search", {"team": "search"}, {"tokensPerMinute": limit}),
    ]

    async def by_http(token: str) -> list[bool]:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        limits = httpx.Limits(max_connections=EACH)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            url = f"{up.url()}/v1/chat/completions"
            calls = [client.post(url, content=body, headers=headers) for _ in range(EACH)]
            return [answer.status_code == 200 for answer in await asyncio.gather(*calls)]

    async def by_grpc(token: str) -> list[bool]:
        metadata = (("authorization", f"Bearer {token}"),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{up.ports}") as channel:
            stub = LanguageModelStub(channel)
            calls = [stub.Chat(request, metadata=metadata, timeout=60) for _ in range(EACH)]
            codes = [await call.code() for call in calls]
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        return [code is grpc.StatusCode.OK for code in codes]

    def held() -> bool:
        return source.control("x")["inflight"] >= FITTING

    async def scenario(token: str) -> tuple[list[bool], list[bool]]:
        calls = asyncio.gather(by_http(token), by_grpc(token))
        await asyncio.to_thread(wait_for, "the admitted arrive", held)
        # Whatever still is on its way is refused, or would be one too many.
        await asyncio.to_thread(wait_for, "all are decided", decided(up, 2 * EACH))
        source.control("release")
        http, typed = await calls
        return http, typed

    try:
        with running(up, documents):
            source.control("hold")
            http, typed = asyncio.run(scenario(up.token(user="u1")))
            rows = wait_for("rows", lambda: (r := up.rows()) and len(r) >= FITTING and r)
        attempts = source.attempts()
    finally:
        source.stop()

    assert sum(http) + sum(typed) == FITTING
    assert len(attempts) == len(rows) == FITTING
    assert sum(
        row["reserved_input_tokens"] + row["reserved_output_tokens"] for row in rows
    ) == FITTING * (len(body) + CAP)
    assert Counter(row["protocol"] for row in rows) == Counter(
        {name: count for name, count in (("http", sum(http)), ("grpc", sum(typed))) if count}
    )


def decided(up: Up, count: int) -> Callable[[], bool]:
    """True once so many calls were admitted or refused."""

    def probe() -> bool:
        lines = up.scrape().splitlines()
        figures = [line for line in lines if line.startswith("bailiwick_requests_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in figures) >= count

    return probe
