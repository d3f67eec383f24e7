"""A backend that fails is passed over, tried again, and named where nobody answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for

Start = Callable[[str], CountingProvider]
CLOSED = (1, 2)
"""Ports that nothing listens on, and that no gateway will be given."""
EVERY_REASON = ["ConnectFailure", "FirstByteTimeout", "RateLimited", "ServerError"]


def call(up: Up, token: str, model: str, **told: Any) -> httpx.Response:
    """A call that tells the providers how to answer."""
    body = {
        "model": model,
        "max_tokens": 16,
        "messages": [{"role": "user", "content": json.dumps(told)}],
    }
    return httpx.post(
        f"{up.url()}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {token}"},
        timeout=30,
    )


def failing_over(name: str, *backends: str) -> dict[str, Any]:
    """A route that goes from one backend to the next for every reason."""
    listed = [backend(one, priority=at) for at, one in enumerate(backends)]
    return route(name, *listed, fallback={"when": EVERY_REASON, "maxAttempts": len(listed)})


def test_calls_begin_elsewhere_while_a_backend_fails(
    counting_provider: Start, tmp_path: Path
) -> None:
    """Each caller is answered; after five failures the broken one is left alone, and it shows."""
    good = counting_provider("good")
    up = Up(tmp_path / "up")
    documents = [
        tenant(),
        provider("dead", CLOSED[0]),
        provider("good", good.port),
        failing_over("chat", "dead", "good"),
    ]
    with running(up, documents):
        token = up.token()
        statuses = [call(up, token, "chat").status_code for _ in range(12)]
        assert statuses == [200] * 12
        assert len(good.attempts()) == 12

        wait_for("rows", lambda: len([r for r in up.rows() if r["status"] == 200]) == 12)
        tried = [row for row in up.rows() if row["provider"].endswith("/dead")]
        # What is under way when the fifth failure is heard of may still begin there.
        assert 5 <= len(tried) <= 7
        assert {row["state"] for row in tried} == {"void"}
        line = 'bailiwick_backend_passed_over{backend="dead",route="chat"} 1.0'
        assert line in up.scrape()


def test_a_full_provider_is_left_alone_as_long_as_it_says(
    counting_provider: Start, tmp_path: Path
) -> None:
    """429 with Retry-After: the next calls begin at the other one."""
    full, roomy = counting_provider("full"), counting_provider("roomy")
    up = Up(tmp_path / "up")
    documents = [
        tenant(),
        provider("full", full.port),
        provider("roomy", roomy.port),
        failing_over("chat", "full", "roomy"),
    ]
    with running(up, documents):
        token = up.token()
        assert call(up, token, "chat", full={"status": 429, "retry_after": 30}).status_code == 200
        wait_for("it is heard of", lambda: "passed_over{" in up.scrape())
        for _ in range(5):
            assert call(up, token, "chat").status_code == 200

    assert [one["status"] for one in full.attempts()] == [429]
    assert len(roomy.attempts()) == 6


def test_with_every_backend_down_the_answer_names_them(tmp_path: Path) -> None:
    """503 in OpenAI's shape, with how often and where it was tried."""
    up = Up(tmp_path / "up")
    documents = [
        tenant(),
        provider("north", CLOSED[0]),
        provider("south", CLOSED[1]),
        failing_over("chat", "north", "south"),
    ]
    with running(up, documents):
        answer = call(up, up.token(), "chat")

    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "upstream_unavailable"
    assert error["message"] == (
        "No provider of the model can be reached (attempts: 2, backends: north, south)."
    )


def test_a_stream_past_its_reservation_is_cut_where_the_route_says_so(
    counting_provider: Start, tmp_path: Path
) -> None:
    """A provider that gives forty tokens where sixteen were asked for; charged as it says."""
    source = counting_provider("a")
    up = Up(tmp_path / "up")
    backends = [backend("a")]
    documents = [
        tenant(),
        provider("a", source.port),
        route("cut", *backends, onExceed="Cut"),
        route("pass", *backends),
    ]
    told = json.dumps({"tokens": 40, "ignore_cap": True})
    words = {}
    with running(up, documents), openai.OpenAI(base_url=f"{up.url()}/v1", api_key=up.token()) as ai:
        for model in ("cut", "pass"):
            pieces = [
                piece.choices[0]
                for piece in ai.chat.completions.create(
                    model=model,
                    stream=True,
                    max_tokens=16,
                    messages=[{"role": "user", "content": told}],
                )
                if piece.choices
            ]
            words[model] = "".join(one.delta.content or "" for one in pieces).count("w")
            reason = pieces[-1].finish_reason
            assert reason == ("length" if model == "cut" else "stop")
        wait_for("both rows", lambda: len(up.rows()) == 2)
        rows = {row["route"]: row for row in up.rows()}

    # Sixteen tokens, and the events of grace.
    assert 16 <= words["cut"] <= 20
    assert words["pass"] == 40
    assert rows["pass"]["output_tokens"] == 40
    assert rows["cut"]["output_tokens"] >= words["cut"]
