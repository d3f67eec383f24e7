"""Every endpoint: rows equal the provider's counts, limits hold, fallback goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from documents import backend, provider, quota, route, tenant
from running import CountingProvider, Up, running, wait_for

PRICES: dict[str, Any] = {
    "inputPerMillion": "1.00", "cachedInputPerMillion": "0.50", "outputPerMillion": "2.00",
    "perRequest": "0.001", "perImage": "0.04",
}  # fmt: skip


def models() -> list[dict[str, Any]]:
    """M is priced by the token, i by the image beside tokens that are free."""
    plain = {name: amount for name, amount in PRICES.items() if name != "perImage"}
    free = {"inputPerMillion": "0", "outputPerMillion": "0", "perImage": "0.04"}
    common = {"maxOutputTokens": 4096, "contextWindow": 128000}
    return [
        {"name": "m", "price": plain, **common},
        {"name": "i", "price": free, **common},
    ]


CALLS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("responses", {"input": '{"tokens": 6}'}, "chat"),
    ("responses", {"input": '{"tokens": 6}', "stream": True}, "chat"),
    ("responses", {"input": [{"role": "user", "content": '{"tokens": 6}'}]}, "chat"),
    ("responses", {"input": '{"tokens": 60}', "max_output_tokens": 3}, "chat"),
    ("completions", {"prompt": '{"tokens": 6}'}, "text_completion"),
    ("completions", {"prompt": '{"tokens": 6}', "stream": True}, "text_completion"),
    ("completions", {"prompt": ["a", '{"tokens": 6}'], "n": 2, "best_of": 3}, "text_completion"),
    ("embeddings", {"input": "words"}, "embeddings"),
    ("moderations", {"input": "words"}, "moderation"),
    ("images/generations", {"prompt": "a dot", "n": 2}, "image_generation"),
)


def call(client: httpx.Client, end: str, body: dict[str, Any]) -> httpx.Response:
    return client.post(f"/v1/{end}", json={"model": "fast", **body})


def expected_cost(row: dict[str, Any]) -> float:
    """By the price list, worked out the long way."""
    fresh = row["input_tokens"] - row["cached_input_tokens"]
    return fresh * 1e-6 + row["cached_input_tokens"] * 0.5e-6 + row["output_tokens"] * 2e-6 + 0.001


def test_rows_equal_what_the_provider_counted(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Each endpoint, whole and streamed, and after a first place that fails: to the token."""
    first, second = counting_provider("a"), counting_provider("b")
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", first.port, models=models()),
        provider("b", second.port, models=models()),
        route("fast", backend("b")),
        route(
            "twice",
            backend("a"),
            backend("b", priority=1),
            fallback={"when": ["ServerError"], "maxAttempts": 2},
        ),
        route("picture", backend("b", "i")),
    ]
    asked: dict[str, tuple[str, dict[str, Any], str]] = {}
    with running(up, documents):
        headers = {"authorization": f"Bearer {up.token(user='u1')}"}
        with httpx.Client(base_url=up.url(), headers=headers, timeout=30) as client:
            for end, body, operation in CALLS:
                answer = call(client, end, body)
                assert answer.status_code == 200, answer.text
                asked[answer.headers["x-request-id"]] = (end, body, operation)
            told = json.dumps({"a": {"status": 503}, "tokens": 4})
            fell = call(client, "responses", {"input": told, "model": "twice"})
            assert fell.json()["model"] == "m"
            mute = {"prompt": '{"usage": "none"}', "n": 3, "model": "picture"}
            priced = call(client, "images/generations", mute)
        count = len(CALLS) + 3
        rows = wait_for("rows", lambda: (r := up.rows()) and len(r) >= count and r)
        metrics = up.scrape()

    seen = {(one["id"], one["provider"]): one for one in first.attempts() + second.attempts()}
    assert len(rows) == len(seen) == count
    for row in rows:
        one = seen[row["stream_id"], row["provider"].split("/")[1]]
        if one["status"] != 200:
            assert (row["status"], row["cost"], row["stream_id"]) == (
                503, "0.00", fell.headers["x-request-id"],
            )  # fmt: skip
            continue
        assert row["state"] == "settled", row
        if row["stream_id"] == priced.headers["x-request-id"]:
            assert (row["reason"], row["cost"], row["output_tokens"]) == ("flat", "0.12", 0)
            continue
        assert row["input_tokens"] == one["prompt_tokens"]
        assert row["output_tokens"] == one["completion_tokens"] <= row["reserved_output_tokens"]
        if row["stream_id"] in asked:
            end, body, operation = asked[row["stream_id"]]
            assert (row["operation"], row["stream"]) == (operation, bool(body.get("stream")))
            assert float(row["cost"]) == pytest.approx(expected_cost(row))
            if end == "responses":
                assert row["cached_input_tokens"] == one["prompt_tokens"] // 2
                assert row["reasoning_output_tokens"] == one["completion_tokens"] // 2
    for operation in ("chat", "text_completion", "embeddings", "moderation", "image_generation"):
        assert f'gen_ai_operation_name="{operation}"' in metrics


def test_a_provider_that_can_not_do_it_says_so_himself(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """His 404 passes as it is, and costs nothing."""
    one = counting_provider("a")
    up = Up(tmp_path)
    with running(up, [tenant(), provider("a", one.port), route("fast", backend("a"))]):
        headers = {"authorization": f"Bearer {up.token(user='u1')}"}
        with httpx.Client(base_url=up.url(), headers=headers, timeout=30) as client:
            answer = call(client, "moderations", {"input": '{"status": 404}'})
        (row,) = wait_for("the row", up.rows)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "told")
    assert (row["status"], row["cost"]) == (404, "0.00")


@pytest.mark.parametrize(
    ("end", "body", "fits"),
    [
        ("responses", {"input": "x" * 2000}, {"max_output_tokens": 10}),
        ("completions", {"prompt": "x", "max_tokens": 90, "n": 90}, {"n": 1}),
        ("completions", {"prompt": ["x"] * 90, "max_tokens": 90}, {"prompt": "x"}),
        ("images/generations", {"prompt": "x", "n": 2}, {"n": 1}),
    ],
)
def test_limits_refuse_before_anything_leaves(
    tmp_path: Path,
    counting_provider: Callable[[str], CountingProvider],
    end: str,
    body: dict[str, Any],
    fits: dict[str, Any],
) -> None:
    """What a call may take at most must fit."""
    one = counting_provider("a")
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", one.port),
        route("fast", backend("a")),
        quota("each", {"each": ["User"]}, {"tokensPerMinute": 5000}),
    ]
    with running(up, documents):
        headers = {"authorization": f"Bearer {up.token(user='u1')}"}
        with httpx.Client(base_url=up.url(), headers=headers, timeout=30) as client:
            refused = call(client, end, body)
            taken = call(client, end, {**body, **fits})

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "request_exceeds_limit")
    assert taken.status_code == 200, taken.text
    assert len(one.attempts()) == 1


def test_moderations_count_as_requests(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Free of tokens, not of the limit on calls."""
    one = counting_provider("a")
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", one.port),
        route("fast", backend("a")),
        quota("each", {"each": ["User"]}, {"requestsPerMinute": 2}),
    ]
    with running(up, documents):
        headers = {"authorization": f"Bearer {up.token(user='u1')}"}
        with httpx.Client(base_url=up.url(), headers=headers, timeout=30) as client:
            answers = [call(client, "moderations", {"input": "x"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
