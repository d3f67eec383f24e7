"""Real Redis in numbers: a primary with its replica under three Sentinels, a cluster of three."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from shared_store.redis_server import RedisServer

from bailiwick_sidecar.shared.address import StoreAddress

NAME = "acme"
SLOTS = 16_384


def patiently(what: str, true: Callable[[], Any], seconds: float = 60) -> None:
    """Return when it is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError):
            if true():
                return
        time.sleep(0.05)
    raise TimeoutError(what)


class Watched:
    """A primary, a replica, and three Sentinels of which two decide."""

    def __init__(self, directory: Path) -> None:
        self.primary, self.replica = (self._server(directory, name) for name in ("p", "r"))
        self.sentinels = []
        for number in range(3):
            folder = directory / f"s{number}"
            folder.mkdir(parents=True)
            file = folder / "sentinel.conf"
            file.write_text(
                f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel down-after-milliseconds {NAME} 1000\n"
                f"sentinel failover-timeout {NAME} 10000\n"
            )
            self.sentinels.append(RedisServer(folder, "--sentinel", before=(str(file),)))

    @staticmethod
    def _server(directory: Path, name: str) -> RedisServer:
        folder = directory / name
        folder.mkdir(parents=True)
        return RedisServer(folder)

    @property
    def address(self) -> StoreAddress:
        places = tuple(("127.0.0.1", one.port) for one in self.sentinels)
        return StoreAddress(sentinels=places, primary=NAME)

    @contextlib.contextmanager
    def running(self) -> Iterator["Watched"]:
        with contextlib.ExitStack() as stack:
            for server in (self.primary, self.replica):
                stack.enter_context(server.running())
            self.replica.client().replicaof("127.0.0.1", self.primary.port)
            patiently("the replica follows", self.follows)
            for sentinel in self.sentinels:
                stack.enter_context(sentinel.running())
            for sentinel in self.sentinels:
                patiently("they know each other", lambda one=sentinel: self._knows(one))  # type: ignore[misc]
            yield self

    def follows(self) -> bool:
        """True while the replica hears what is written."""
        return self.replica.client().info("replication").get("master_link_status") == "up"

    def cut(self) -> None:
        """The replica hears nothing any more, and is a replica still."""
        self.replica.client().config_set("masterauth", "the-primary-asks-for-none")
        self.primary.client().execute_command("CLIENT", "KILL", "TYPE", "replica")
        patiently("it hears nothing", lambda: not self.follows())

    def promoted(self) -> bool:
        """True once the replica is the primary."""
        return bool(self.replica.client().info("replication")["role"] == "master")

    @staticmethod
    def _knows(sentinel: RedisServer) -> bool:
        (said,) = sentinel.client().sentinel_masters().values()
        return said["num-other-sentinels"] == 2 and said["num-slaves"] == 1


class Cluster:
    """Three nodes, each with a third of the slots."""

    def __init__(self, directory: Path) -> None:
        self.nodes = []
        for number in range(3):
            folder = directory / f"n{number}"
            folder.mkdir(parents=True)
            self.nodes.append(
                RedisServer(
                    folder,
                    *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
                    *("--cluster-require-full-coverage", "no"),
                )
            )

    @property
    def address(self) -> StoreAddress:
        return StoreAddress(nodes=tuple(("127.0.0.1", one.port) for one in self.nodes))

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node.running())
            for number, node in enumerate(self.nodes):
                slots = range(number * SLOTS // 3, (number + 1) * SLOTS // 3)
                node.client().execute_command("CLUSTER", "ADDSLOTS", *slots)
                node.client().execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                node.client().execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
            for node in self.nodes:
                patiently("the cluster is one", lambda one=node: self._whole(one))  # type: ignore[misc]
            yield self

    @staticmethod
    def _whole(node: RedisServer) -> bool:
        said = node.client().execute_command("CLUSTER INFO")
        return said["cluster_state"] == "ok" and said["cluster_size"] == "3"

    def home(self, key: str) -> tuple[int, int]:
        """The key's slot, and which node has it."""
        slot = int(self.nodes[0].client().execute_command("CLUSTER", "KEYSLOT", key))
        return slot, slot * 3 // SLOTS

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """The slot is between two nodes: keys that are not there any more are asked for there."""
        there, here = self.nodes[target].client(), self.nodes[source].client()
        there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(self.nodes[source]))
        here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(self.nodes[target]))
        while keys := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            here.execute_command(
                *("MIGRATE", "127.0.0.1", self.nodes[target].port, "", 0, 5_000, "KEYS", *keys)
            )

    def end_move(self, slot: int, target: int) -> None:
        """It is the target's."""
        owner = _id(self.nodes[target])
        for number in (target, *(n for n in range(3) if n != target)):
            self.nodes[number].client().execute_command("CLUSTER", "SETSLOT", slot, "NODE", owner)


def _id(node: RedisServer) -> str:
    return str(node.client().execute_command("CLUSTER", "MYID").decode())
