"""A client in Go, that knows the API by reflection alone."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from grpcurl_binary import find_or_build
from running import wait_for
from serving import ONCE, Served

SERVICE = "bailiwick.llm.v1.LanguageModel"


@pytest.fixture(scope="module")
def grpcurl() -> Path:
    """The binary."""
    return find_or_build()


class Curl:
    """grpcurl against one gateway."""

    def __init__(self, binary: Path, served: Served, user: str = "u1") -> None:
        self._line = [
            str(binary), "-plaintext", "-H", f"authorization: Bearer {served.token(user)}",
        ]  # fmt: skip
        self._target = served.target

    def line(self, *arguments: str, data: Any = None) -> list[str]:
        """The command."""
        body = [] if data is None else ["-d", json.dumps(data)]
        return [*self._line, *body, self._target, *arguments]

    def run(self, *arguments: str, data: Any = None) -> subprocess.CompletedProcess[str]:
        """It has run."""
        return subprocess.run(
            self.line(*arguments, data=data),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def curl(grpcurl: Path, served: Served) -> Curl:
    return Curl(grpcurl, served)


def question(told: dict[str, Any]) -> dict[str, Any]:
    """A request as grpcurl takes it."""
    message = {"role": "ROLE_USER", "content": json.dumps(told)}
    return {"model": "fast", "max_tokens": 64, "messages": [message]}


def test_it_lists_and_describes(curl: Curl) -> None:
    """Reflection knows the services, their methods and messages, and nothing of the inside."""
    listed = curl.run("list")
    described = curl.run("describe", SERVICE)
    inside = curl.run("describe", "bailiwick.contract.v1.TenantConfig")

    assert listed.stdout.splitlines()[:2] == [SERVICE, "grpc.health.v1.Health"], listed.stderr
    assert "rpc ChatStream" in described.stdout, described.stderr
    assert inside.returncode != 0


def test_it_chats(curl: Curl) -> None:
    """One answer."""
    ran = curl.run(f"{SERVICE}/Chat", data=question({"tokens": 4}))

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["choices"][0]["message"]["content"] == " w" * 4


def test_it_streams(curl: Curl) -> None:
    """Five pieces of text, the end, the usage."""
    ran = curl.run(f"{SERVICE}/ChatStream", data={"chat": question({"tokens": 5})})

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count('"content": " w"') == 5
    assert '"completion_tokens": "5"' in ran.stdout


def test_it_cancels(curl: Curl, served: Served) -> None:
    """Ctrl-C in the middle of a stream ends it at the provider."""
    before = len(served.source.attempts())
    line = curl.line(
        f"{SERVICE}/ChatStream", data={"chat": question({"tokens": 60, "chunk_delay": 0.05})}
    )
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()

    wait_for("the provider sees it", lambda: len(served.source.attempts()) > before)
    attempt = served.source.attempts()[-1]
    row = served.row(attempt["id"])
    assert attempt["end"] == "caller_left"
    assert row["state"] == "estimated"
    assert 0 < row["output_tokens"] < 60


def test_it_exceeds_a_limit(grpcurl: Path, served: Served) -> None:
    """The refusal is readable without any knowledge of ours."""
    curl = Curl(grpcurl, served, f"{ONCE}-go")
    while (ran := curl.run(f"{SERVICE}/Chat", data=question({}))).returncode == 0:
        pass

    assert "Code: ResourceExhausted" in ran.stderr
    assert '"reason": "rate_limit_exceeded"' in ran.stderr
    assert '"retry_delay"' in ran.stderr
    assert "Quota/once-go#requestsPerMinute" in ran.stderr


def test_it_asks_for_health(curl: Curl) -> None:
    """By the standard service."""
    assert '"SERVING"' in curl.run("grpc.health.v1.Health/Check").stdout
