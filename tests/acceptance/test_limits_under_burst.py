"""Many callers at once against one limit."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
from documents import backend, provider, quota, route, tenant
from running import CountingProvider, Up, running, wait_for

CAP = 100
HEADROOM = 37


def body_for(alias: str, **more: object) -> bytes:
    content = json.dumps({"tokens": 3})
    message = {
        "model": alias,
        "max_tokens": CAP,
        "messages": [{"role": "user", "content": content}],
    }
    return json.dumps({**message, **more}).encode()


async def burst(up: Up, token: str, body: bytes, count: int) -> list[httpx.Response]:
    """All answers of `count` calls that start together."""
    limits = httpx.Limits(max_connections=count)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        url = f"{up.url()}/v1/chat/completions"
        calls = [client.post(url, content=body, headers=headers) for _ in range(count)]
        return list(await asyncio.gather(*calls))


def test_burst_of_200_reserves_up_to_the_limit_and_refuses_nothing_that_fits(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Exactly as many are admitted as fit; not a token more is reserved, and none less."""
    source = counting_provider("a")
    body = body_for("fast")
    reservation = len(body) + CAP
    fitting = 23
    limit = fitting * reservation + HEADROOM
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a")),
        quota("search", {"team": "search"}, {"tokensPerMinute": limit}),
    ]
    with running(up, documents):
        source.control("hold")
        token = up.token(user="u1")

        async def scenario() -> list[httpx.Response]:
            calls = asyncio.create_task(burst(up, token, body, 200))
            await asyncio.to_thread(
                wait_for, "the admitted arrive", lambda: source.control("x")["inflight"] == fitting
            )
            await asyncio.sleep(1)
            source.control("release")
            return await calls

        answers = asyncio.run(scenario())
        rows = wait_for("rows", lambda: (r := up.rows()) and len(r) >= fitting and r)

    assert Counter(answer.status_code for answer in answers) == {200: fitting, 429: 200 - fitting}
    assert len(source.attempts()) == fitting
    assert (
        sum(row["reserved_input_tokens"] + row["reserved_output_tokens"] for row in rows)
        == fitting * reservation
    )
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["x-ratelimit-limit-tokens"] == str(limit)
    assert int(refused.headers["x-ratelimit-remaining-tokens"]) == HEADROOM
    assert re.fullmatch(r"[0-9a-f-]{36}", refused.headers["x-request-id"])


def test_concurrency_of_10_admits_exactly_10_of_100(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Of 100 at once, 10 reach the provider and 90 are refused."""
    source = counting_provider("a")
    up = Up(tmp_path)
    documents = [
        tenant(limits={"concurrentRequests": 10}),
        provider("a", source.port),
        route("fast", backend("a")),
    ]
    with running(up, documents):
        source.control("hold")
        token = up.token(user="u1")

        async def scenario() -> list[httpx.Response]:
            calls = asyncio.create_task(burst(up, token, body_for("fast"), 100))
            await asyncio.to_thread(
                wait_for, "ten arrive", lambda: source.control("x")["inflight"] == 10
            )
            await asyncio.sleep(1)
            source.control("release")
            return await calls

        answers = asyncio.run(scenario())
        one_after = asyncio.run(burst(up, token, body_for("fast"), 1))

    assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 90}
    assert source.control("x")["peak"] == 10
    assert [answer.status_code for answer in one_after] == [200]


def test_one_caller_in_sequence_is_never_refused_for_his_own_ended_call(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """With one request at a time allowed, a hundred calls one after another all pass."""
    source = counting_provider("a")
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a")),
        quota("one", {"each": ["User"]}, {"concurrentRequests": 1}),
    ]
    with running(up, documents):
        token = up.token(user="u1")
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        with httpx.Client(timeout=30) as client:
            seen = Counter(
                client.post(
                    f"{up.url()}/v1/chat/completions",
                    content=body_for("fast", stream=index % 2 == 0),
                    headers=headers,
                ).status_code
                for index in range(100)
            )

    assert seen == {200: 100}
