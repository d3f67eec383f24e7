"""Claims namespaces for tenants: one TenantBinding each, created atomically."""

import logging
from dataclasses import dataclass
from datetime import datetime

from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.children.binding import LEAVING, build_binding, build_leaving
from bailiwick_operator.children.model import Binding
from bailiwick_operator.children.naming import BINDING
from bailiwick_operator.kube.kinds import TENANT_BINDING
from bailiwick_operator.kube.model import AlreadyExistsError, Kube, Manifest, NotFoundError
from bailiwick_operator.world import BindingState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """Another tenant holds the namespace, or its binding is on the way out (`leaving`)."""

    tenant: str
    leaving: bool = False


class Claims:
    """Writes TenantBindings; remembers what it wrote, so that a claim that stands costs no call."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._standing: dict[str, tuple[Manifest, str]] = {}

    async def hold(
        self, tenant: Tenant, namespace: str, *, seen: BindingState | None
    ) -> Binding | Taken:
        """The tenant's binding of this namespace, made where there is none; or whose it is."""
        wanted = build_binding(tenant, namespace)
        uid = tenant.metadata.uid
        if seen is not None and (seen.tenant_uid != uid or seen.terminating):
            self._standing.pop(namespace, None)
            leaving = (
                seen.terminating or bool(seen.leaving_since) or seen.tenant == tenant.metadata.name
            )
            return Taken(seen.tenant, leaving=leaving)
        if seen is not None:
            standing = self._standing.get(namespace)
            if standing == (wanted, seen.uid) and not seen.leaving_since:
                return _binding(tenant, namespace, uid=seen.uid)
            # The UID keeps a binding that went away meanwhile from being made anew unseen.
            answer = await self._kube.apply(TENANT_BINDING, with_uid(wanted, seen.uid))
        else:
            answer = await self._create(wanted)
            if answer.get("spec", {}).get("tenantUID") != uid:
                return Taken(str(answer.get("spec", {}).get("tenant", "")))
        made = str(answer["metadata"]["uid"])
        self._standing[namespace] = (wanted, made)
        return _binding(tenant, namespace, uid=made)

    async def leave(self, binding: BindingState, *, now: datetime) -> str:
        """Mark that the namespace leaves its tenant; returns since when (RFC 3339).

        Raises:
            NotFoundError: it has left.
        """
        self._standing.pop(binding.namespace, None)
        found = await self._kube.get(TENANT_BINDING, namespace=binding.namespace, name=BINDING)
        if found is None or found["metadata"]["uid"] != binding.uid:
            raise NotFoundError(f"the TenantBinding of namespace {binding.namespace} is gone")
        marked = str((found["metadata"].get("annotations") or {}).get(LEAVING, ""))
        if marked:
            return marked
        moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = build_leaving(found, since=moment)
        await self._kube.apply(TENANT_BINDING, with_uid(wanted, binding.uid))
        return moment

    async def release(self, binding: BindingState) -> None:
        """Delete the binding; the garbage collector takes all that it owns."""
        self._standing.pop(binding.namespace, None)
        await self._kube.delete(
            TENANT_BINDING, namespace=binding.namespace, name=BINDING, uid=binding.uid
        )
        log.info("namespace released namespace=%s tenant=%s", binding.namespace, binding.tenant)

    async def _create(self, wanted: Manifest) -> Manifest:
        """Claim atomically: of several tenants that try at once, one succeeds.

        Returns the binding that stands afterwards. Created bare, so that all else is owned by
        server-side apply from the beginning.
        """
        spec = {name: wanted["spec"][name] for name in ("tenant", "tenantUID")}
        try:
            made = await self._kube.create(TENANT_BINDING, {**wanted, "spec": spec})
        except AlreadyExistsError:
            namespace = wanted["metadata"]["namespace"]
            found = await self._kube.get(TENANT_BINDING, namespace=namespace, name=BINDING)
            if found is None or found.get("spec", {}).get("tenantUID") != spec["tenantUID"]:
                return found or {}
            made = found
        else:
            log.info(
                "namespace claimed namespace=%s tenant=%s",
                wanted["metadata"]["namespace"],
                spec["tenant"],
            )
        return await self._kube.apply(TENANT_BINDING, with_uid(wanted, made["metadata"]["uid"]))


def with_uid(manifest: Manifest, uid: str) -> Manifest:
    """The manifest, for exactly the object of this UID: another one is a conflict."""
    return {**manifest, "metadata": {**manifest["metadata"], "uid": uid}}


def _binding(tenant: Tenant, namespace: str, *, uid: str) -> Binding:
    return Binding(
        namespace=namespace,
        uid=uid,
        tenant=tenant.metadata.name,
        tenant_uid=tenant.metadata.uid,
    )
