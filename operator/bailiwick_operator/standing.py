"""What an operator does first: every namespace that is held already gets its config published.

After a restart no gateway then waits for other tenants' objects and statuses.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.children.naming import CONFIG_CURRENT
from bailiwick_operator.compile.inputs import CompileInput, CompileResult
from bailiwick_operator.gather import Surroundings, gather
from bailiwick_operator.publish.hub import Hub
from bailiwick_operator.world import Broken, World


@dataclass(frozen=True, slots=True)
class Standing:
    """Publishes for bindings that stand; claims nothing, and writes nothing anywhere."""

    world: World
    hub: Hub
    compile_tenant: Callable[[CompileInput, datetime], CompileResult]
    surroundings: Callable[[], Surroundings]
    now: Callable[[], datetime]

    async def publish(self) -> int:
        """Publish; returns how many namespaces have a config now."""
        for name in tuple(self.world.tenants):
            tenant = self.world.tenant(name)
            if tenant is None or isinstance(tenant, Broken):
                continue
            for claim in tenant.spec.namespaces:
                if self._holds(tenant, claim.name):
                    self._put(tenant, claim.name)
            # For liveness, and for agents that come back meanwhile.
            await asyncio.sleep(0)
        return len(self.hub)

    def _holds(self, tenant: Tenant, namespace: str) -> bool:
        """Whether this is the tenant's, and is not on its way out: that has its own order."""
        binding, state = self.world.binding(namespace), self.world.namespace(namespace)
        return (
            binding is not None
            and binding.tenant_uid == tenant.metadata.uid
            and not binding.terminating
            and not binding.leaving_since
            and state is not None
            and not state.terminating
        )

    def _put(self, tenant: Tenant, namespace: str) -> None:
        inputs = gather(self.world, tenant, namespace, surroundings=self.surroundings())
        result = self.compile_tenant(inputs, self.now())
        if result.config is not None:
            stored = self.world.stored(namespace, CONFIG_CURRENT)
            self.hub.put(namespace, result.config, stored=stored)
