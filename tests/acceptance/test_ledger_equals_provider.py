"""The ledger against the providers' own counts, after a mixed and unfriendly load."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for

CALLS = 2000
AT_ONCE = 24


def plan(seed: int) -> list[dict[str, Any]]:
    """What each call does: how the first provider behaves, and whether the caller hangs up."""
    chooser = random.Random(seed)
    calls = []
    for _ in range(CALLS):
        told: dict[str, Any] = {"tokens": chooser.randint(1, 20)}
        kind = chooser.choices(
            ["plain", "stream", "fallback", "stream_fallback", "hangup", "embedding"],
            [30, 25, 15, 10, 12, 8],
        )[0]
        if "fallback" in kind:
            told["a"] = {"status": chooser.choice([429, 500, 503]), "retry_after": 0}
        if kind == "hangup":
            told |= {"tokens": 40, "chunk_delay": 0.005}
        calls.append({"kind": kind, "told": told, "leave_after": chooser.randint(1, 6)})
    return calls


async def make(client: httpx.AsyncClient, url: str, call: dict[str, Any]) -> str:
    """Makes one call; the request id that the caller saw."""
    told = json.dumps(call["told"])
    if call["kind"] == "embedding":
        answer = await client.post(f"{url}/v1/embeddings", json={"model": "fast", "input": told})
        assert answer.status_code == 200, answer.text
        return answer.headers["x-request-id"]
    stream = call["kind"] in {"stream", "stream_fallback", "hangup"}
    body = {
        "model": "fast",
        "max_tokens": 64,
        "stream": stream,
        "metadata": {"feature_name": "mixed"},
        "messages": [{"role": "user", "content": told}],
    }
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        seen = 0
        async for line in answer.aiter_lines():
            seen += line.startswith("data:")
            if call["kind"] == "hangup" and seen >= call["leave_after"]:
                break
        return answer.headers["x-request-id"]


async def load(up: Up, token: str, calls: list[dict[str, Any]]) -> list[str]:
    """Makes all calls, a few at once."""
    turn = asyncio.Semaphore(AT_ONCE)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:

        async def one(call: dict[str, Any]) -> str:
            async with turn:
                return await make(client, up.url(), call)

        return list(await asyncio.gather(*(one(call) for call in calls)))


def test_two_thousand_mixed_requests_agree_row_by_row(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Each attempt that a provider saw has one row with its figures, and there is no other."""
    first, second = counting_provider("a"), counting_provider("b")
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", first.port),
        provider("b", second.port),
        route(
            "fast",
            backend("a"),
            backend("b", priority=1),
            fallback={"when": ["RateLimited", "ServerError"], "maxAttempts": 2},
        ),
    ]
    calls = plan(seed=11)
    with running(up, documents):
        ids = asyncio.run(load(up, up.token(user="u1", project="ranking"), calls))

        def truth() -> list[dict[str, Any]]:
            return first.attempts() + second.attempts()

        # One more for each that falls back, but where the first provider was passed over.
        falls = sum("fallback" in call["kind"] for call in calls)
        wait_for("providers ended", lambda: len(truth()) >= CALLS + falls // 2)
        rows = wait_for("all rows", lambda: (r := up.rows()) and len(r) >= len(truth()) and r)
        expected = len(truth())
        assert expected <= CALLS + falls
        metrics = up.scrape()

    assert len(set(ids)) == CALLS
    assert len(rows) == expected
    assert Counter(row["state"] for row in rows).keys() <= {"settled", "estimated"}
    by_attempt: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_attempt[row["stream_id"], row["provider"].split("/")[1]].append(row)
    for seen in truth():
        (row,) = by_attempt.pop((seen["id"], seen["provider"]))
        check(row, seen)
    assert by_attempt == {}
    hangups = {ids[i] for i, call in enumerate(calls) if call["kind"] == "hangup"}
    assert {row["stream_id"] for row in rows if row["state"] == "estimated"} <= hangups
    assert {row["tags"].get("feature_name") for row in rows} == {"mixed", None}
    assert {(row["team"], row["project"], row["cost_center"]) for row in rows} == {
        ("search", "ranking", "4711")
    }
    assert "feature_name" not in metrics
    assert "u1" not in metrics


def check(row: dict[str, Any], seen: dict[str, Any]) -> None:
    """The row says what the provider says."""
    if seen["status"] >= 400:
        assert (row["state"], row["status"]) == ("settled", seen["status"])
        assert (row["input_tokens"], row["output_tokens"], row["cost"]) == (0, 0, "0.00")
        return
    if row["state"] == "settled":
        assert row["input_tokens"] == seen["prompt_tokens"]
        assert row["output_tokens"] == seen["completion_tokens"]
        return
    assert seen["end"] == "caller_left"
    assert 0 < row["output_tokens"] <= row["reserved_output_tokens"]
    assert row["output_tokens"] <= seen["delivered"] + 1
