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
from typing import Any

import httpx
from agent.gateway_process import Provider, Signer
from vault.vault_gateway import VaultGateway, gateway_config
from vault.vault_server import VaultServer

PATH = "llm/acme/openai"
PROVIDER = Path(__file__).with_name("keyed_provider.py")
IN_FLIGHT = 400

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
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=64)
    base = f"http://127.0.0.1:{gateway.port}"
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=20) as client:
        rotation = asyncio.create_task(rotating())
        start = time.monotonic()
        calls: set[asyncio.Task[None]] = set()
        for number in range(int(plan.seconds * plan.rate)):
            late = start + number / plan.rate - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            call = asyncio.create_task(_call(client, report, token, stream=number % 3 == 0))
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


async def _call(client: httpx.AsyncClient, report: Report, token: str, *, stream: bool) -> None:
    body = {
        "model": "openai",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": stream,
        "max_tokens": 20,
    }
    began = time.monotonic()
    try:
        answer = await client.post(
            "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {token}"}
        )
        whole = answer.text.endswith("data: [DONE]\n\n") if stream else "choices" in answer.json()
        why = "" if answer.status_code == 200 and whole else f"{answer.status_code} {answer.text}"
    except (httpx.HTTPError, ValueError) as error:
        why = repr(error)
    report.calls += 1
    report.streams += stream
    report.latencies.append(time.monotonic() - began)
    if why:
        report.failures[why[:200]] += 1
