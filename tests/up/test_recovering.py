"""A gateway whose parts are killed: callers get an answer or a clear 503, and it comes back."""

import os
import signal
import threading
from typing import Any, Self

import httpx
import pytest

CALL = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


class Load:
    """A caller who calls on a fresh connection again and again, and keeps what came of it."""

    def __init__(self, up: Any) -> None:
        self.url = f"{up.url()}/v1/chat/completions"
        self.headers = {"authorization": f"Bearer {up.token()}"}
        self.answers: list[tuple[int, str]] = []
        self.broken: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                answer = httpx.post(self.url, json=CALL, headers=self.headers, timeout=20)
            except httpx.HTTPError as error:
                self.broken.append(type(error).__name__)
                continue
            code = "" if answer.status_code == 200 else answer.json()["error"]["code"]
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
            self.answers.append((answer.status_code, code))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("part", ["agentPid", "envoyPid"])
def test_a_killed_part_comes_back(up: Any, part: str, wait: Any) -> None:
    """After kill -9 the gateway serves again; meanwhile there is a 503 or an answer.

    Only a call that Envoy itself held may break.
    """
    up.start()
    before = up.served()["demo"]
    with Load(up) as load:
        wait("calls are answered", lambda: (200, "") in load.answers)
        os.kill(before[part], signal.SIGKILL)
        wait("another process", lambda: up.served()["demo"][part] not in (None, before[part]))
        seen = len(load.answers)
        wait("calls are answered again", lambda: (200, "") in load.answers[seen:])
    assert set(load.answers) <= {(200, ""), (503, "gateway_unavailable")}
    assert "ConnectError" not in load.broken
    assert len(load.broken) <= (1 if part == "envoyPid" else 0)
    other = "envoyPid" if part == "agentPid" else "agentPid"
    assert up.served()["demo"][other] == before[other]
    assert "starting it again" in up.said()
    wait("it is said", lambda: "serves again" in up.said())


def test_no_attempt_is_forgotten_over_kills(up: Any, wait: Any) -> None:
    """After both parts were killed under load, the ledger has every attempt of the provider."""
    up.start()
    with Load(up) as load:
        for part in ("agentPid", "envoyPid", "agentPid"):
            load.answers.clear()
            wait("calls are answered", lambda: (200, "") in load.answers)
            pid = wait("its process is known", lambda name=part: up.served()["demo"][name])
            os.kill(pid, signal.SIGKILL)
        load.answers.clear()
        wait("calls are answered", lambda: (200, "") in load.answers)
    seen = up.attempts()

    def rows_of_all() -> Any:
        rows = {(row["stream_id"], row["attempt"]): row for row in up.rows()}
        return {(one["request_id"], 1) for one in seen} <= rows.keys() and rows

    rows = wait("every attempt of the provider has its row", rows_of_all)
    for one in seen:
        row = rows[one["request_id"], 1]
        if row["state"] == "settled":
            assert row["output_tokens"] == one["completion_tokens"]
        else:
            assert row["state"] in ("estimated", "unknown")
