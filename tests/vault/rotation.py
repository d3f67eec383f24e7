"""Drives a gateway at a constant rate while its key is rotated, and counts what fails."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from agent.gateway_process import Provider, Signer
from vault.vault_gateway import VaultGateway, gateway_config
from vault.vault_server import VaultServer

PATH = "llm/acme/openai"
PROVIDER = Path(__file__).with_name("keyed_provider.py")

Rotating = Callable[[], Coroutine[Any, Any, list[float]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how many calls a second, how many rotations spread over it."""

    seconds: float
    rate: float
    rotations: int


@dataclass(slots=True)
class Report:
    """What came of it; times are seconds."""

    overlap: float
    calls: int = 0
    streams: int = 0
    seconds: float = 0
    failures: Counter[str] = field(default_factory=Counter)
    last_use: dict[str, float] = field(default_factory=dict)
    """For each old key: its last use at the provider, after the new version was in Vault."""
    first_use: dict[str, float] = field(default_factory=dict)
    provider_refusals: int = 0
    latencies: list[float] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        ordered = sorted(self.latencies)
        middle, high = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
        calls = (
            f"{self.calls} calls ({self.streams} streams) in {self.seconds:.1f} s,"
            f" {sum(self.failures.values())} failed {dict(self.failures)};"
            f" p50 {middle:.1f} ms, p99 {high:.1f} ms"
        )
        lines = [calls, f"refusals by the provider: {self.provider_refusals}"]
        lines += [
            f"{old}: last used {seconds:.3f} s after its successor was in Vault"
            f" (first use of the successor: {self.first_use[old]:.3f} s)"
            for old, seconds in self.last_use.items()
        ]
        return "\n".join(lines)


class Caller:
    """Calls over kept connections; little more than bytes, so that it is not what is measured."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._requests = {stream: self._request(token, stream=stream) for stream in (False, True)}

    @staticmethod
    def _request(token: str, *, stream: bool) -> bytes:
        said = {
            "model": "openai",
            "messages": [{"role": "user", "content": "hello"}],
            "stream": stream,
            "max_tokens": 20,
        }
        body = json.dumps(said).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: Bearer {token}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()

    async def call(self, *, stream: bool) -> tuple[int, bytes]:
        """Status and body; a chunked body with its framing."""
        reader, writer = (
            self._idle.pop()
            if self._idle
            else await asyncio.open_connection("127.0.0.1", self._port)
        )
        writer.write(self._requests[stream])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length))
        self._idle.append((reader, writer))
        return int(head[9:12]), body


class ProviderProcess:
    """keyed_provider.py: it takes the keys that its control file lists."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "valid-keys"
        self.uses = folder / "uses.json"
        self.process = subprocess.Popen(
            [sys.executable, PROVIDER, self.keys, self.uses], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def accept(self, *keys: str) -> None:
        """Take these keys and no others, from the next request on."""
        fresh = self.keys.with_suffix(".new")
        fresh.write_text("\n".join(keys))
        fresh.rename(self.keys)

    def stop(self) -> dict[str, dict[str, float]]:
        """End it; by key: uses, refusals, first and last use on the wall clock."""
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return dict(json.loads(self.uses.read_text()))


@contextmanager
def provided(folder: Path) -> Iterator[ProviderProcess]:
    """A provider that ends with the block."""
    made = ProviderProcess(folder)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()


def rotate(plan: Plan, folder: Path, server: VaultServer, token_file: Path) -> Report:
    """Run the plan; the poll interval is a sixth of the time between rotations."""
    period = plan.seconds / (plan.rotations + 1)
    poll = min(period / 6, 2.0)
    report = Report(overlap=period / 2)
    signer = Signer()
    with provided(folder) as provider:
        provider.accept("sk-0")
        server.put_key(PATH, "sk-0")
        gateway = VaultGateway(
            folder / "gateway",
            address=server.address,
            token_file=token_file,
            poll=f"{poll:g}",
        )
        shown: Provider = provider  # type: ignore[assignment]  # only its port is looked at
        try:
            gateway.serve(gateway_config(signer, {"openai": shown}))
            written = asyncio.run(
                _run(
                    plan,
                    report,
                    gateway,
                    token=signer.token(exp=2**31),
                    rotating=lambda: _rotate(plan, server, provider, period),
                )
            )
        finally:
            gateway.stop()
        uses = provider.stop()
    for number, at in enumerate(written):
        old, new = f"sk-{number}", f"sk-{number + 1}"
        report.last_use[old] = max(uses[old]["last"] - at, 0)
        report.first_use[old] = uses[new]["first"] - at
    report.provider_refusals = int(sum(one["refusals"] for one in uses.values()))
    return report


async def _run(
    plan: Plan, report: Report, gateway: VaultGateway, *, token: str, rotating: Rotating
) -> list[float]:
    async with Caller(gateway.port, token) as client:
        rotation = asyncio.create_task(rotating())
        start = time.monotonic()
        calls: set[asyncio.Task[None]] = set()
        for number in range(int(plan.seconds * plan.rate)):
            late = start + number / plan.rate - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            call = asyncio.create_task(_call(client, report, stream=number % 3 == 0))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
        report.seconds = time.monotonic() - start
        return await rotation


async def _rotate(
    plan: Plan, server: VaultServer, provider: ProviderProcess, period: float
) -> list[float]:
    """The order for a provider with two keys: add, switch, withdraw."""
    written = []
    for number in range(plan.rotations):
        await asyncio.sleep(period / 2)
        old, new = f"sk-{number}", f"sk-{number + 1}"
        provider.accept(old, new)
        await asyncio.to_thread(server.put_key, PATH, new)
        written.append(time.time())
        await asyncio.sleep(period / 2)
        provider.accept(new)
    return written


async def _call(client: Caller, report: Report, *, stream: bool) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(20):
            status, text = await client.call(stream=stream)
        whole = text.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") if stream else b"choices" in text
        why = "" if status == 200 and whole else f"{status} {text.decode()}"
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        why = repr(error)
    report.calls += 1
    report.streams += stream
    report.latencies.append(time.monotonic() - began)
    if why:
        report.failures[why[:200]] += 1
