"""A key planted in Vault is found in memory and in requests to its provider, and nowhere else."""

import contextlib
import ctypes
import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.gateway_process import Signer, wait_for
from vault.conftest import PATH
from vault.vault_gateway import KeyedProvider, VaultGateway, gateway_config
from vault.vault_server import VaultServer

CANARY = "sk-CANARY-4f7c1d90"
SYS_TGKILL = {"x86_64": 234, "aarch64": 131}[os.uname().machine]


class Admin(http.client.HTTPConnection):
    """Envoy's admin interface."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


@pytest.fixture
def provider() -> Iterator[KeyedProvider]:
    made = KeyedProvider(CANARY)
    yield made
    made.close()


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def gateway(
    tmp_path: Path,
    trusting: VaultServer,
    token_file: Path,
    provider: KeyedProvider,
    signer: Signer,
) -> Iterator[VaultGateway]:
    """Serves, its key in memory."""
    trusting.put_key(PATH, CANARY)
    made = VaultGateway(
        tmp_path / "gateway", address=trusting.address, token_file=token_file, poll="0.5"
    )
    made.serve(gateway_config(signer, {"openai": provider}))
    yield made
    made.stop()


def pids(gateway: VaultGateway) -> tuple[int, int]:
    assert gateway.agent is not None
    assert gateway.envoy is not None
    return gateway.agent.pid, gateway.envoy.pid


def leaks(gateway: VaultGateway) -> list[str]:
    """Where the canary stands: files of the gateway, its processes' faces, what they serve."""
    root = gateway.run.parent
    seen = {str(file): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    for pid in pids(gateway):
        for name in ("environ", "cmdline", "maps", "status"):
            seen[f"/proc/{pid}/{name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    for target in ("/config_dump?include_eds", "/stats", "/clusters", "/server_info", "/init_dump"):
        admin = Admin(gateway.run / "admin.sock")
        admin.request("GET", target)
        answer = admin.getresponse()
        seen[f"envoy{target}"] = answer.read()
        admin.close()
        assert answer.status == 200, target
    for path in ("/metrics", "/readyz", "/healthz"):
        seen[f"agent{path}"] = gateway.get(path, port=gateway.metrics)[1]
    assert len(seen["envoy/config_dump?include_eds"]) > 10_000
    assert any(where.endswith("status.json") for where in seen)
    assert any("journal" in where for where in seen)
    return [where for where, content in seen.items() if CANARY.encode() in content]


def test_a_key_is_nowhere_but_in_memory(
    gateway: VaultGateway, provider: KeyedProvider, signer: Signer, trusting: VaultServer
) -> None:
    """After calls, refusals, a denial, a failed Vault and new logins."""
    token = signer.token()
    for stream in (False, True):
        assert gateway.chat(token, model="openai", stream=stream)[0] == 200
    with provider_refusing(provider):
        assert gateway.chat(token, model="openai")[0] == 503
    assert leaks(gateway) == []

    trusting.seal()
    wait_for("the reason", lambda: gateway.status().get("degraded"))
    assert gateway.chat(token, model="openai")[0] == 200
    assert leaks(gateway) == []
    trusting.unseal()
    trusting.policy()
    wait_for("refusals", lambda: gateway.chat(token, model="openai")[0] == 503)
    assert leaks(gateway) == []
    assert CANARY in set(provider.keys())


class provider_refusing:  # noqa: N801 -- reads as what it does
    """The provider takes no key within the block."""

    def __init__(self, provider: KeyedProvider) -> None:
        self.provider = provider

    def __enter__(self) -> None:
        self.valid, self.provider.valid = self.provider.valid, set()

    def __exit__(self, *_: object) -> None:
        self.provider.valid = self.valid


@pytest.mark.parametrize("fatal", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_of_envoy_shows_no_key_in_flight(
    gateway: VaultGateway, signer: Signer, fatal: signal.Signals
) -> None:
    """Its handler would print the request at hand, with the key; large bodies keep it at one.

    Under such a load one crash in three or four meets a request with its key.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    token, chance = signer.token(), random.Random(7)
    for _ in range(6):
        stop = threading.Event()

        def load(stop: threading.Event) -> None:
            while not stop.is_set():
                # An answer may be cut by the crash.
                with contextlib.suppress(http.client.HTTPException):
                    gateway.chat(token, model="openai", padding="x" * 2_000_000)

        threads = [threading.Thread(target=load, args=(stop,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for("calls", lambda: (gateway.metric("bailiwick_requests_total") or 0) > 8)
        stop.wait(chance.random() / 2)
        assert gateway.envoy is not None
        worker = next(
            int(task.name)
            for task in Path(f"/proc/{gateway.envoy.pid}/task").iterdir()
            if (task / "comm").read_text().startswith("wrk:worker")
        )
        libc.syscall(SYS_TGKILL, gateway.envoy.pid, worker, int(fatal))
        assert gateway.envoy.wait(20) == -fatal
        stop.set()
        for thread in threads:
            thread.join()
        gateway.start_envoy()
        wait_for("readiness", gateway.ready)

    output = gateway.output.read_text()
    assert "level=critical logger=backtrace Caught" in output
    assert CANARY not in output
    assert "authorization" not in output
    assert "xxxxxxxx" not in output
    assert leaks(gateway) == []


def test_neither_process_dumps_its_memory(gateway: VaultGateway) -> None:
    """No core is written, also by a piped handler; nobody of this user may attach to the agent."""
    agent, envoy = pids(gateway)
    for pid in (agent, envoy):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
        assert (soft, hard) in {(0, 0), (1, 1)}
        assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    # The kernel gives the files of a process that may not be dumped to root.
    assert Path(f"/proc/{agent}/environ").stat().st_uid == 0


def test_a_crash_of_the_agent_leaves_no_core(
    gateway: VaultGateway, tmp_path: Path, signer: Signer
) -> None:
    """Killed by a signal that would dump one."""
    assert gateway.chat(signer.token(), model="openai")[0] == 200
    assert gateway.agent is not None
    gateway.agent.send_signal(signal.SIGSEGV)
    assert gateway.agent.wait(20) == -signal.SIGSEGV
    assert not any("core" in file.name for file in gateway.run.iterdir())
    gateway.start_agent()
    wait_for("readiness", gateway.ready)
    assert leaks(gateway) == []


def test_a_tracer_of_the_same_user_gets_nothing(gateway: VaultGateway) -> None:
    """Reading the agent's memory is refused to whoever has no CAP_SYS_PTRACE."""
    agent, _ = pids(gateway)
    drop = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None)\n"
        "assert libc.prctl(24, 19, 0, 0, 0) == 0\n"  # PR_CAPBSET_DROP, CAP_SYS_PTRACE
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1], sys.argv[2]])\n"
    )
    attempt = (
        "import sys\n"
        "try:\n"
        "    open(f'/proc/{sys.argv[1]}/mem', 'rb')\n"
        "except PermissionError:\n"
        "    sys.exit(13)\n"
    )
    command = [sys.executable, "-c", drop, attempt, str(agent)]
    if os.geteuid() != 0:
        command = [sys.executable, "-c", attempt, str(agent)]
    assert subprocess.run(command, check=False).returncode == 13


def test_a_log_of_hvac_at_its_loudest_has_no_key(
    trusting: VaultServer, token_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also at DEBUG neither the library nor the reader writes key or token."""
    trusting.put_key(PATH, CANARY)
    program = (
        "import logging, sys, time, json\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "from pathlib import Path\n"
        "from bailiwick_sidecar.secrets import KeyRef\n"
        "from bailiwick_sidecar.vault.client import VaultClient\n"
        "from bailiwick_sidecar.vault.reader import Login, Reader\n"
        "from bailiwick_sidecar.vault.settings import Method, VaultSettings\n"
        "address, file, path = json.loads(sys.argv[1])\n"
        "settings = VaultSettings(address=address, token_file=Path(file), method=Method.JWT)\n"
        "api = VaultClient(settings, clock=time.monotonic)\n"
        "reader = Reader(api, clock=time.monotonic, random=lambda: 0.5)\n"
        "ref = KeyRef('secret', path, 'api_key')\n"
        "print(reader.read(Login('jwt', 'bailiwick-acme'), [ref]), reader._lease)\n"
    )
    said = json.dumps([trusting.address, str(token_file), PATH])
    subprocess.run([sys.executable, "-c", program, said], check=True)
    output = "".join(capfd.readouterr())

    assert "Found(secret=Secret(…)" in output
    assert "DEBUG" in output
    assert CANARY not in output
    assert "hvs." not in output
    assert token_file.read_text() not in output
