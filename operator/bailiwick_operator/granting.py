"""What a tenant's gateways may read in Vault, from what they serve; how that stands."""

from collections.abc import Sequence
from datetime import datetime

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.conditions import Condition, ConditionType
from bailiwick_operator.outcome import Outcome
from bailiwick_operator.publish.hub import Hub
from bailiwick_operator.status import generation_of
from bailiwick_operator.vault.keeper import VaultKeeper
from bailiwick_operator.world import World


class Granting:
    """Asks the keeper, where there is one; never waits for Vault."""

    def __init__(self, *, world: World, hub: Hub, keeper: VaultKeeper | None) -> None:
        """Without a keeper someone else writes into Vault."""
        self._world = world
        self._hub = hub
        self._keeper = keeper

    def ask(self, tenant: Tenant, outcomes: Sequence[Outcome], *, now: datetime) -> list[Condition]:
        """Have the gateways let read what they serve; the condition `VaultGranted`, or none."""
        if self._keeper is None:
            return []
        name = tenant.metadata.name
        bound = [one for one in outcomes if one.bound]
        known = [found for one in bound if (found := self._hub.newest(one.namespace))]
        # A gateway that does not serve the newest config yet still needs what the older one names.
        settled = len(known) == len(bound) and all(
            one.verdict.programmed or not self._world.pods.get(one.namespace) for one in bound
        )
        leaving = set(self._world.bound.get(name, ())) - {one.namespace for one in bound}
        self._keeper.want(
            name,
            [TenantConfig.FromString(one.config) for one in known],
            shrink=settled and not leaving,
        )
        word = self._keeper.word(name)
        if word is None:
            return []
        return [
            Condition(
                type=ConditionType.VAULT_GRANTED,
                status=word.status,
                reason=word.reason,
                message=word.message,
                observed_generation=generation_of(tenant),
                last_transition_time=now,
            )
        ]

    def gone(self, tenant: str) -> None:
        """There is no such tenant: take back what its gateways could read."""
        if self._keeper is not None:
            self._keeper.gone(tenant)
