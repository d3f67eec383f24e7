"""One operator at a time: the Lease that its holder renews (coordination.k8s.io/v1).

Two operators with different agents connected would each correct what the other says of them, for
ever. Who has no lease therefore watches nothing, serves nothing and writes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.kube.kinds import LEASE
from bailiwick_operator.kube.model import AlreadyExistsError, ConflictError, Kube, Manifest

log = logging.getLogger(__name__)

NAME = "bailiwick-operator"


class LeaseLostError(BailiwickError):
    """Another operator holds the lease now."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    duration: float = 15.0
    """A lease that nobody renewed for this long may be taken."""
    renewal: float = 4.0
    retry: float = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    record: str
    at: float


class Lease:
    """Held by one identity; a process with the same identity is the same holder, restarted."""

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        identity: str,
        now: Callable[[], datetime],
        timing: Timing | None = None,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._identity = identity
        self._now = now
        self._timing = timing or Timing()
        self._seen: _Seen | None = None

    async def acquire(self) -> None:
        """Return once it is held; says in the log whose it is until then."""
        told = ""
        while True:
            try:
                holder = await self._try()
            except BailiwickError as error:
                holder = f"nobody that the API server would name ({error})"
            if holder == self._identity:
                log.info("lease held identity=%s", self._identity)
                return
            if holder != told:
                told = holder
                log.warning("waiting for the lease %s, which is held by %s", NAME, holder)
            await asyncio.sleep(self._timing.retry)

    async def keep(self) -> None:
        """Renew until cancelled; LeaseLostError where it is another's.

        An API server that does not answer takes nobody's lease: nobody else gets it either.
        """
        while True:
            await asyncio.sleep(self._timing.renewal)
            try:
                holder = await self._try()
            except BailiwickError as error:
                log.warning("lease not renewed error=%r", str(error))
                continue
            if holder != self._identity:
                raise LeaseLostError(
                    f"the lease {self._namespace}/{NAME} is held by {holder} now: run one operator"
                    " in a cluster"
                )

    async def release(self) -> None:
        """Let the next one have it at once."""
        found = await self._kube.get(LEASE, namespace=self._namespace, name=NAME)
        if found is not None and _holder(found) == self._identity:
            await self._write(found, holder="")

    async def _try(self) -> str:
        """Take or renew it where that is allowed; who holds it now."""
        found = await self._kube.get(LEASE, namespace=self._namespace, name=NAME)
        if found is None:
            try:
                await self._kube.create(LEASE, self._manifest(self._identity))
            except AlreadyExistsError:
                return "another that was quicker"
            return self._identity
        holder = _holder(found)
        if holder not in ("", self._identity) and not self._expired(found):
            return holder
        try:
            await self._write(found, holder=self._identity)
        except ConflictError:
            return "another that was quicker"
        return self._identity

    def _expired(self, found: Manifest) -> bool:
        """Whether it stayed as it is for as long as it lasts, by this process's own clock."""
        record = str(found["metadata"].get("resourceVersion", ""))
        if self._seen is None or self._seen.record != record:
            self._seen = _Seen(record=record, at=time.monotonic())
        return time.monotonic() - self._seen.at >= self._timing.duration

    async def _write(self, found: Manifest, *, holder: str) -> None:
        manifest = self._manifest(holder)
        # Another one's write in between is a conflict.
        manifest["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        await self._kube.apply(LEASE, manifest)

    def _manifest(self, holder: str) -> Manifest:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": NAME, "namespace": self._namespace},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(self._timing.duration),
                "renewTime": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }


def _holder(found: Manifest) -> str:
    return str(found.get("spec", {}).get("holderIdentity") or "")
