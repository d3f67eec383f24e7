"""Starts what is measured and reads its processor time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent


def cpu(pid: int) -> float:
    """Seconds that the process's living threads have run, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """The canned provider's port."""
    process = subprocess.Popen(
        [sys.executable, HERE / "upstream.py"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def plain_config(listen: int, target: int) -> str:
    """Envoy that only proxies: no filter but the router."""
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": target}}
    config = {
        "static_resources": {
            "listeners": [
                {
                    "name": "plain",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": listen}},
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "http",
                                    "typed_config": {
                                        "@type": f"{manager}.HttpConnectionManager",
                                        "stat_prefix": "plain",
                                        "http_filters": [
                                            {"name": "router", "typed_config": {"@type": router}}
                                        ],
                                        "route_config": {
                                            "virtual_hosts": [
                                                {
                                                    "name": "all",
                                                    "domains": ["*"],
                                                    "routes": [
                                                        {
                                                            "match": {"prefix": "/"},
                                                            "route": {
                                                                "cluster": "up",
                                                                "timeout": "0s",
                                                            },
                                                        }
                                                    ],
                                                }
                                            ]
                                        },
                                    },
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "up",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "up",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ],
        }
    }
    return json.dumps(config)


@contextlib.contextmanager
def plain_envoy(listen: int, target: int) -> Iterator[int]:
    """Process id of the plain proxy, once it serves."""
    with subprocess.Popen(
        [
            BIN / "envoy", "--config-yaml", plain_config(listen, target), "--concurrency", "1",
            "--disable-hot-restart", "--log-level", "error",
        ]
    ) as process:  # fmt: skip
        try:
            reachable(f"http://127.0.0.1:{listen}/")
            yield child_of(process.pid, "envoy")
        finally:
            process.terminate()


def reachable(url: str, seconds: float = 60) -> None:
    """Waits for any answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError as error:
            if error.code < 500 or not url.endswith("readyz"):
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody answers at {url} after {seconds} s")


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(found for child in children for found in descendants(child))]


def child_of(pid: int, word: str) -> int:
    """The process at or below `pid` whose command line has the word (the deepest one)."""
    found = [each for each in descendants(pid) if word in Path(f"/proc/{each}/cmdline").read_text()]
    return found[-1]


class Gateway:
    """`bailiwick up` over one folder of resources."""

    def __init__(self, resources: Path, data: Path, *, port: int, metrics: int) -> None:
        self.port, self.data = port, data
        self.process = subprocess.Popen(
            [
                BIN / "bailiwick", "up", "-f", resources, "--port", str(port),
                "--metrics-port", str(metrics), "--data-dir", data,
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        begin = time.perf_counter()
        reachable(f"http://127.0.0.1:{port}/readyz")
        self.ready_after = time.perf_counter() - begin
        self.envoy = child_of(self.process.pid, "envoy")
        self.agent = child_of(self.process.pid, "bailiwick_sidecar")

    def token(self) -> str:
        """A development token of the bench's team."""
        line = ["token", "--tenant", "bench", "--team", "load", "--user", "u", "--ttl", "12h"]
        return subprocess.run(
            [BIN / "bailiwick", *line, "--data-dir", self.data],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()  # fmt: skip

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
