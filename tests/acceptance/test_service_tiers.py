"""Service tiers: asked for where they have a price, and charged as the answer says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for

PRICE: dict[str, Any] = {
    "inputPerMillion": "1.00",
    "outputPerMillion": "1.00",
    "serviceTiers": [
        {"name": "flex", "inputPerMillion": "0.50", "outputPerMillion": "0.50"},
        {"name": "priority", "inputPerMillion": "3.00", "outputPerMillion": "3.00"},
    ],
}
SOURCE = "ClusterModelProvider/a"
ANSWERS: tuple[tuple[str | None, str | None, float, str, str], ...] = (
    # asked, answered, price of a million tokens, mark, reason
    ("flex", "flex", 0.5, "#flex", "usage"),
    ("priority", "default", 1, "", "usage"),
    ("priority", None, 3, "#priority", "usage"),
    ("auto", "priority", 3, "#priority", "usage"),
    (None, None, 1, "", "usage"),
    (None, "scale", 3, "#scale~priority", "unknown_tier"),
)


def bodies(asked: str | None, answered: str | None) -> list[tuple[str, dict[str, Any]]]:
    """The call at each endpoint that has tiers, whole and streamed."""
    told = json.dumps({"tier": answered, "tokens": 6, "keep": True})
    said = {"model": "fast", **({"service_tier": asked} if asked else {})}
    chat = {**said, "messages": [{"role": "user", "content": told}]}
    return [
        (end, {**body, "stream": stream})
        for end, body in (("chat/completions", chat), ("responses", {**said, "input": told}))
        for stream in (False, True)
    ]


def test_the_answer_says_what_the_call_costs(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """At each endpoint with tiers, as JSON and as a stream; what was reserved covers it."""
    first, second = counting_provider("a"), counting_provider("b")
    models = [{"name": "m", "maxOutputTokens": 64, "contextWindow": 128000, "price": PRICE}]
    up = Up(tmp_path)
    documents = [
        tenant(),
        provider("a", first.port, models=models),
        provider("b", second.port),
        route("fast", backend("a")),
        route("both", backend("b", weight=99), backend("a", weight=1)),
        route("plain", backend("b")),
    ]
    expected: dict[str, tuple[float, str, str]] = {}
    with running(up, documents):
        headers = {"authorization": f"Bearer {up.token(user='u1')}"}
        with httpx.Client(base_url=up.url(), headers=headers, timeout=30) as client:
            for asked, answered, price, mark, reason in ANSWERS:
                for end, body in bodies(asked, answered):
                    answer = client.post(f"/v1/{end}", json=body)
                    assert answer.status_code == 200, answer.text
                    expected[answer.headers["x-request-id"]] = (price, SOURCE + mark, reason)
            end, flex = bodies("flex", "flex")[0]
            split = [client.post(f"/v1/{end}", json={**flex, "model": "both"}) for _ in range(5)]
            batch = client.post(f"/v1/{end}", json={**flex, "service_tier": "batch"})
            plain = client.post(f"/v1/{end}", json={**flex, "model": "plain"})
        count = len(expected) + len(split)
        rows = wait_for("rows", lambda: (r := up.rows()) and len(r) >= count and r)

    assert [answer.status_code for answer in split] == [200] * 5
    assert second.attempts() == []
    for refused, tiers in (
        (batch, "auto, default, flex and priority"),
        (plain, "auto and default"),
    ):
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (
            400, "unsupported_parameter", "service_tier",
        )  # fmt: skip
        assert f"only {tiers} have a known price" in error["message"]
    assert len(rows) == len(first.attempts()) == count
    sent = {one["id"]: one["raw"].get("service_tier") for one in first.attempts()}
    assert set(sent.values()) == {None, "auto", "flex", "priority"}
    for row in rows:
        price, source, reason = expected.get(row["stream_id"], (0.5, f"{SOURCE}#flex", "usage"))
        found = (row["state"], row["reason"], row["price_source"], float(row["cost"]))
        cost = round((row["input_tokens"] + row["output_tokens"]) * price * 1e-6, 12)
        assert found == ("settled", reason, source, cost), row
        assert float(row["cost"]) <= float(row["reserved_cost"])
