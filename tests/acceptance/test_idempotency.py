"""Idempotency-Key: one charge and one answer for each key of each caller, whatever happens."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for


@dataclass
class World:
    """A gateway, its one provider, and callers."""

    up: Up
    provider: CountingProvider
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def client(self, user: str = "u1", team: str = "search") -> httpx.Client:
        name = f"{team}/{user}"
        if name not in self.clients:
            headers = {"authorization": f"Bearer {self.up.token(user=user, team=team)}"}
            self.clients[name] = httpx.Client(base_url=self.up.url(), headers=headers, timeout=30)
        return self.clients[name]

    def chat(
        self, key: str, told: dict[str, Any] | None = None, *, user: str = "u1",
        team: str = "search", end: str = "chat/completions", **members: Any,
    ) -> httpx.Response:  # fmt: skip
        said = json.dumps(told or {})
        body = {"messages": [{"role": "user", "content": said}]}
        if end != "chat/completions":
            body = {"input": said}
        return self.client(user, team).post(
            f"/v1/{end}",
            json={"model": "fast", **body, **members},
            headers={"idempotency-key": key},
        )

    def seen(self) -> int:
        return len(self.provider.attempts())

    def rows(self, count: int) -> list[dict[str, Any]]:
        return wait_for("rows", lambda: (r := self.up.rows()) and len(r) >= count and r)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("idempotency")
    one = CountingProvider("a", folder)
    up = Up(folder)
    documents = [tenant(), provider("a", one.port), route("fast", backend("a"))]
    with running(up, documents):
        world = World(up, one)
        yield world
        for client in world.clients.values():
            client.close()
    one.stop()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("end", ["chat/completions", "embeddings", "responses", "moderations"])
def test_the_same_call_is_made_once(world: World, end: str) -> None:
    """The answer comes again byte for byte, marked; the provider saw one call, the ledger one."""
    before, rows = world.seen(), len(world.up.rows())

    first = world.chat(f"once-{end}", {"tokens": 3}, end=end)
    again = [world.chat(f"once-{end}", {"tokens": 3}, end=end) for _ in range(3)]

    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    for answer in again:
        assert (answer.status_code, answer.content) == (200, first.content)
        assert answer.headers["idempotent-replayed"] == "true"
        assert answer.headers["content-type"] == first.headers["content-type"]
    assert world.seen() == before + 1
    assert len(world.rows(rows + 1)) == rows + 1


def test_another_body_under_the_key_is_refused(world: World) -> None:
    """One byte is enough, and so is another path."""
    world.chat("other", {"tokens": 3})
    before = world.seen()

    answers = [
        world.chat("other", {"tokens": 4}),
        world.chat("other", {"tokens": 3}, temperature=0),
        world.chat("other", {"tokens": 3}, end="embeddings"),
    ]

    assert {code(answer) for answer in answers} == {(422, "idempotency_mismatch")}
    assert world.seen() == before


def test_a_key_belongs_to_its_caller(world: World) -> None:
    """Another user, or the same name in another team, has keys of his own."""
    before = world.seen()

    answers = [
        world.chat("shared", {"tokens": 3}),
        world.chat("shared", {"tokens": 4}, user="u2"),
        world.chat("shared", {"tokens": 5}, team="support"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert not any("idempotent-replayed" in answer.headers for answer in answers)
    assert world.seen() == before + 3


def test_a_call_under_way_is_not_made_twice(world: World) -> None:
    """409 until it is answered, then its answer."""
    before = world.seen()
    world.provider.control("hold")
    answers: list[httpx.Response] = []
    token = world.up.token(user="u1")
    headers = {"authorization": f"Bearer {token}", "idempotency-key": "flight"}

    def first() -> None:
        body = {"model": "fast", "messages": [{"role": "user", "content": "{}"}]}
        url = f"{world.up.url()}/v1/chat/completions"
        answers.append(httpx.post(url, json=body, timeout=30, headers=headers))

    thread = threading.Thread(target=first)
    thread.start()
    try:
        wait_for("the first is there", lambda: world.provider.control("state")["inflight"] == 1)
        meanwhile = world.chat("flight")
        other = world.chat("flight", {"tokens": 9})
    finally:
        world.provider.control("release")
        thread.join()
    after = world.chat("flight")

    assert code(meanwhile) == (409, "idempotency_in_flight")
    assert meanwhile.headers["retry-after"] == "1"
    assert code(other) == (422, "idempotency_mismatch")
    assert after.content == answers[0].content
    assert world.seen() == before + 1


def test_a_burst_of_the_same_call_is_one_call(world: World) -> None:
    """Twenty at once: one is made, the others wait or have its answer."""
    before = world.seen()
    statuses: list[int] = []
    body = {"model": "fast", "messages": [{"role": "user", "content": '{"delay": 0.3}'}]}
    headers = {
        "authorization": f"Bearer {world.up.token(user='u1')}", "idempotency-key": "burst",
    }  # fmt: skip

    def one() -> None:
        with httpx.Client(timeout=30) as client:
            for _ in range(50):
                answer = client.post(
                    f"{world.up.url()}/v1/chat/completions", json=body, headers=headers
                )
                statuses.append(answer.status_code)
                if answer.status_code != 409:
                    return
                time.sleep(0.1)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) <= {200, 409}
    assert statuses.count(200) == 20
    assert world.seen() == before + 1


def test_a_call_that_failed_may_be_made_again(world: World) -> None:
    """A provider's error is not charged: the key is free."""
    before = world.seen()

    failed = [world.chat("failing", {"status": status}) for status in (503, 400)]
    made = world.chat("failing", {"tokens": 2})

    assert [answer.status_code for answer in failed] == [503, 400]
    assert made.status_code == 200
    assert world.seen() == before + 3


def test_a_call_that_was_refused_may_be_made(world: World) -> None:
    """What never left takes no key."""
    refused = world.chat("refused", model="nothing")
    also = world.chat("refused", {"tokens": 2}, store=True)

    assert code(refused) == (404, "model_not_found")
    assert code(also) == (400, "unsupported_parameter")
    assert world.chat("refused", {"tokens": 2}).status_code == 200


def test_a_stream_is_made_once_and_not_repeated(world: World) -> None:
    """It is said that it was made; nothing is charged again."""
    before = world.seen()
    first = world.chat("stream", {"tokens": 3}, stream=True)
    assert first.text.endswith("data: [DONE]\n\n")

    again = [world.chat("stream", {"tokens": 3}, stream=True) for _ in range(2)]

    assert {code(answer) for answer in again} == {(422, "idempotency_not_replayable")}
    assert world.seen() == before + 1


def test_a_large_answer_is_not_kept(world: World) -> None:
    """Over a mebibyte; just below it is."""
    before = world.seen()
    for key, size in (("large", 1_100_000), ("fits", 1_000_000)):
        assert world.chat(key, {"size": size}).status_code == 200

    assert code(world.chat("large", {"size": 1_100_000})) == (422, "idempotency_not_replayable")
    assert len(world.chat("fits", {"size": 1_000_000}).content) > 1_000_000
    assert world.seen() == before + 2


def test_a_caller_who_left_is_not_charged_twice(world: World) -> None:
    """The provider finishes and bills what one hangs up on: it is not made again."""
    before = world.seen()
    body = {"model": "fast", "messages": [{"role": "user", "content": '{"delay": 0.5}'}]}
    with pytest.raises(httpx.ReadTimeout):
        world.client().post(
            "/v1/chat/completions", json=body, timeout=0.2, headers={"idempotency-key": "left"}
        )

    def decided() -> httpx.Response | None:
        answer = world.client().post(
            "/v1/chat/completions", json=body, headers={"idempotency-key": "left"}
        )
        return None if answer.status_code == 409 else answer

    assert code(wait_for("decided", decided)) == (422, "idempotency_not_replayable")
    assert world.seen() == before + 1


@pytest.mark.parametrize("key", ["x" * 256, "", "a\tb"])
def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    """Too long, or not printable ASCII."""
    answer = world.chat(key)

    assert code(answer) == (400, "invalid_value")
    assert answer.json()["error"]["param"] == "Idempotency-Key"


def test_without_a_key_each_call_is_its_own(world: World) -> None:
    """As ever."""
    before = world.seen()
    body = {"model": "fast", "messages": [{"role": "user", "content": "{}"}]}
    answers = [world.client().post("/v1/chat/completions", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert world.seen() == before + 2


def test_a_restart_keeps_keys_and_no_answers(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Not made again after it; on disk are neither key nor prompt nor answer."""
    one = counting_provider("a")
    up = Up(tmp_path)
    documents = [tenant(), provider("a", one.port), route("fast", backend("a"))]
    told = {"tokens": 2, "say": "CANARY-PROMPT"}
    for attempt in range(2):
        with running(up, documents):
            world = World(up, one)
            answer = world.chat("CANARY-KEY", told)
            other = world.chat("CANARY-KEY", {"tokens": 5})
            world.client().close()
        if attempt == 0:
            assert (answer.status_code, code(other)) == (200, (422, "idempotency_mismatch"))

    assert code(answer) == (422, "idempotency_not_replayable")
    assert code(other) == (422, "idempotency_mismatch")
    assert len(one.attempts()) == 1
    kept = [path.read_bytes() for path in up.data.rglob("*") if path.is_file()]
    assert any(path.name == "keys.log" for path in up.data.rglob("*"))
    assert not any(canary in text for text in kept for canary in (b"CANARY", b" w w"))


def test_a_call_outlives_the_agent(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """After kill -9 of the agent its key still means the call under way, and then its answer."""
    one = counting_provider("a")
    up = Up(tmp_path)
    documents = [tenant(), provider("a", one.port), route("fast", backend("a"))]
    with running(up, documents):
        world = World(up, one)
        one.control("hold")
        answers: list[httpx.Response] = []
        client = world.client()
        thread = threading.Thread(target=lambda: answers.append(world.chat("k", {"tokens": 3})))
        thread.start()
        wait_for("the call is there", lambda: one.control("state")["inflight"] == 1)
        before = agent_of(up)
        os.kill(before, signal.SIGKILL)
        wait_for("another agent", lambda: agent_of(up) not in (0, before))
        wait_for("it serves", up.ready)

        with httpx.Client(base_url=up.url(), headers=client.headers, timeout=30) as other:
            world.clients = {"search/u1": other}
            meanwhile = wait_for("an answer", lambda: served(world.chat("k", {"tokens": 3})))
            one.control("release")
            thread.join()
            after = wait_for("its answer", lambda: made(world.chat("k", {"tokens": 3})))
        client.close()

    assert code(meanwhile) == (409, "idempotency_in_flight")
    assert (answers[0].status_code, after.content) == (200, answers[0].content)
    assert len(one.attempts()) == 1


def agent_of(up: Up) -> int:
    """The agent's process; 0 where there is none."""
    (gateway,) = json.loads((up.data / "up.json").read_bytes())["gateways"]
    return gateway["agentPid"] or 0


def served(answer: httpx.Response) -> httpx.Response | None:
    """The answer, unless the gateway is restarting."""
    return None if answer.status_code == 503 else answer


def made(answer: httpx.Response) -> httpx.Response | None:
    """The answer, unless the call is under way."""
    return None if answer.status_code == 409 else answer
