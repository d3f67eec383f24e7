"""Whose rows a call may bring: from its token and the cluster alone."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bailiwick_collector.errors import NotTheirsError
from bailiwick_operator.children.naming import BINDING
from bailiwick_operator.kube.kinds import TENANT_BINDING
from bailiwick_operator.kube.model import Kube
from bailiwick_operator.publish.identity import identify

REVIEWS_AT_ONCE: Final = 32
KEPT: Final = 20_000
"""Tokens that are remembered at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Tenant and namespace that a token proves."""

    tenant: str
    namespace: str


class Owners:
    """Says whose a token is. Answers are believed for `seconds`; a refusal is never kept."""

    def __init__(
        self,
        kube: Kube,
        *,
        audience: str,
        service_account: str,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._audience = audience
        self._service_account = service_account
        self._seconds = seconds
        self._clock = clock
        self._known: dict[bytes, tuple[float, Owner]] = {}
        self._reviews = asyncio.Semaphore(REVIEWS_AT_ONCE)

    async def owner(self, authorization: str) -> Owner:
        """Tenant and namespace of the gateway whose token this is.

        Raises:
            UnauthenticatedError: the token does not hold.
            NotAGatewayError: it is not that of a gateway pod.
            NotTheirsError: no Tenant has the namespace.
            KubeError: the API server can't say.
        """
        # Tokens themselves are not kept.
        digest = hashlib.sha256(authorization.encode()).digest()
        now = self._clock()
        until, owner = self._known.get(digest, (0.0, None))
        if owner is not None and now < until:
            return owner
        async with self._reviews:
            pod = await identify(
                authorization,
                reviewer=self._kube,
                audience=self._audience,
                service_account=self._service_account,
            )
            binding = await self._kube.get(TENANT_BINDING, namespace=pod.namespace, name=BINDING)
        tenant = str(((binding or {}).get("spec") or {}).get("tenant") or "")
        if not tenant:
            raise NotTheirsError(
                f"namespace {pod.namespace} is no Tenant's: list it in a Tenant's spec.namespaces"
            )
        if len(self._known) >= KEPT:
            self._known.clear()
        found = Owner(tenant=tenant, namespace=pod.namespace)
        self._known[digest] = (now + self._seconds, found)
        return found


def must_be(owner: Owner, *, tenant: str, namespace: str) -> None:
    """Return where a message says of itself what its token proves.

    Raises:
        NotTheirsError: it says something else.
    """
    if (tenant, namespace) != (owner.tenant, owner.namespace):
        raise NotTheirsError(
            f"the message is of tenant {tenant!r}, namespace {namespace!r}; its token is of tenant"
            f" {owner.tenant!r}, namespace {owner.namespace!r}"
        )
