"""A gateway whose parts are killed, as a typed client sees it."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Self

import grpc
import pytest
from running import wait_for
from serving import Served, ask, serving

from bailiwick.llm.refusal import refusal_of


class Load:
    """A caller who calls again and again, and keeps what came of it."""

    def __init__(self, served: Served) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self._served = served
        self._metadata = served.metadata()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self._served.stub.Chat(ask(), metadata=self._metadata, timeout=20)
            except grpc.RpcError as error:
                refusal = refusal_of(error)
                self.outcomes.append((refusal.status.name, refusal.code))
            else:
                self.outcomes.append(("OK", ""))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("part", ["agentPid", "envoyPid"])
def test_a_killed_part_comes_back(tmp_path: Path, part: str) -> None:
    """After kill -9 calls are answered again; meanwhile they are UNAVAILABLE and nothing else.

    On the agent's death Envoy answers, with the code; on Envoy's the channel finds nobody.
    """
    with serving(tmp_path) as served:

        def pid() -> int | None:
            said = json.loads((served.up.data / "up.json").read_text())
            found = said["gateways"][0][part]
            return found if isinstance(found, int) else None

        with Load(served) as load:
            wait_for("calls are answered", lambda: ("OK", "") in load.outcomes)
            before = wait_for("its process", pid)
            os.kill(before, signal.SIGKILL)
            wait_for("another process", lambda: pid() not in (None, before))
            seen = len(load.outcomes)
            wait_for("answered again", lambda: ("OK", "") in load.outcomes[seen:])

    code = "gateway_unavailable" if part == "agentPid" else ""
    refused = ("UNAVAILABLE", "gateway_unavailable")
    assert set(load.outcomes) <= {("OK", ""), ("UNAVAILABLE", code), refused}
