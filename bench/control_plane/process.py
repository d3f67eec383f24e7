"""The operator and the crowd of agents as processes of their own."""

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.control_plane import ControlPlane, free_port
from cluster.operator_kit import NAME

BENCH = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
SECRET = "/api/v1/namespaces/bailiwick-system/secrets/bailiwick-operator-tls"  # noqa: S105 - a path


def waiting_for(holds: Any, *, what: str, within: float) -> Any:
    """What `holds` returns, once that is something; raises TimeoutError."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:.0f} s")
        time.sleep(0.05)
    return found


@dataclass(slots=True)
class OperatorProcess:
    """`python -m bailiwick_operator` on this control plane; started and killed at will."""

    plane: ControlPlane
    folder: Path
    port: int = field(default_factory=free_port)
    health: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _runs: int = 0

    def start(self) -> None:
        """Start it; returns at once."""
        settings = self.folder / "operator.yaml"
        settings.write_text(
            json.dumps(
                {
                    "gateway": {"image": "localhost/bailiwick-gateway:bench"},
                    "stream": {"address": f"127.0.0.1:{self.port}", "names": [NAME, "localhost"]},
                    "liveness": f"http://127.0.0.1:{self.health}/healthz",
                }
            )
        )
        self._runs += 1
        environment = {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig())}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bailiwick_operator", "--settings", settings],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
            )

    @property
    def log(self) -> Path:
        """What this run says."""
        return self.folder / f"operator-{self._runs}.log"

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def said(self, words: str, *, within: float = 900.0) -> float:
        """The seconds that this line of the log names, once it is there."""

        def found() -> re.Match[str] | None:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the operator ended: {self.log.read_text()[-2000:]}")
            return re.search(rf"{words} .*seconds=([0-9.]+)", self.log.read_text())

        return float(waiting_for(found, what=words, within=within)[1])

    def at_work(self) -> bool:
        """Whether a key waits for a worker or is in its hands."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/healthz") as answer:
            work = json.load(answer)["work"]
        return bool(work["waiting"] or work["busy"])

    def memory_mb(self) -> float:
        """Resident memory now."""
        return self._memory("VmRSS")

    def peak_mb(self) -> float:
        """The most memory that was resident since it was started."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index] # Linux has it

    def cpu_s(self) -> float:
        """Processor seconds so far."""
        words = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    @property
    def _pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the operator does not run")
        return self._process.pid


@dataclass(slots=True)
class Crowd:
    """The agents' process."""

    plane: ControlPlane
    folder: Path
    pods: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Let all agents connect."""
        trust = self.folder / "operator-ca.pem"
        trust.write_bytes(base64.b64decode(self.plane.request("GET", SECRET)["data"]["ca.crt"]))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "control_plane.agents"),
                    *(str(self.pods), str(trust), str(self.port), NAME),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=BENCH,
                env={**os.environ, "GRPC_VERBOSITY": "NONE"},
            )

    @property
    def log(self) -> Path:
        """What the agents say."""
        return self.folder / "agents.log"

    def connected(self, *, since: float, within: float = 900.0) -> float:
        """When the last agent got its stream after `since`; POSIX seconds."""

        def found() -> float | None:
            for line in self.log.read_text().splitlines():
                if line.startswith("{"):
                    said = json.loads(line)
                    if said["event"] == "connected" and said["at"] > since:
                        return float(said["at"])
            return None

        return float(waiting_for(found, what="all agents connected", within=within))

    def kill(self) -> None:
        """End them."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
