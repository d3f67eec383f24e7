"""Brings one tenant's world in order: gather, compile, publish, children, status.

Level-triggered: it looks at what is, not at what happened, and doing it again changes nothing.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.api.v1alpha1 import ModelRoute, Quota, Tenant
from bailiwick_operator.api.v1alpha1.tenant import WorkloadEgress
from bailiwick_operator.applied import Applier
from bailiwick_operator.children.gateway import build_gateway
from bailiwick_operator.children.model import Binding, Gateway, GatewaySettings, Scaling
from bailiwick_operator.children.naming import CONFIG_ACKED, CONFIG_CURRENT
from bailiwick_operator.claim import Claims, Taken
from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.compile.inputs import CompileInput, CompileResult
from bailiwick_operator.conditions import Condition, ConditionType, Reason
from bailiwick_operator.degraded import with_dependencies
from bailiwick_operator.departure import deny
from bailiwick_operator.gather import Surroundings, gather
from bailiwick_operator.granting import Granting
from bailiwick_operator.hearing import Hearing
from bailiwick_operator.keys import Key, KeyKind, namespace_key
from bailiwick_operator.keystates import of_namespaces, of_route
from bailiwick_operator.kube.kinds import CONFIG_MAP
from bailiwick_operator.kube.model import Kube, KubeError
from bailiwick_operator.leaving import Leaving
from bailiwick_operator.opinions import Opinions
from bailiwick_operator.outcome import (
    Outcome,
    condition,
    inherited,
    invalid,
    missing,
    programmed,
    ready_of,
    summary,
    taken,
)
from bailiwick_operator.publish.acks import AckBoard, Verdict
from bailiwick_operator.publish.hub import Hub, Published
from bailiwick_operator.status import StatusWriter, generation_of, identity
from bailiwick_operator.uses import of_quota, of_tenant
from bailiwick_operator.vault.keeper import VaultKeeper
from bailiwick_operator.world import BindingState, Broken, World

log = logging.getLogger(__name__)

Compile = Callable[[CompileInput, datetime], CompileResult]

SHARED = frozenset({"ClusterModelProvider", "PriceBook"})


class Reconciler:
    """Handles one key of the work queue at a time."""

    def __init__(
        self,
        *,
        kube: Kube,
        world: World,
        hub: Hub,
        acks: AckBoard,
        compile_tenant: Compile,
        surroundings: Callable[[], Surroundings],
        settings: GatewaySettings,
        operator_ca: Callable[[], str],
        now: Callable[[], datetime],
        add: Callable[[str], None],
        vault: VaultKeeper | None = None,
    ) -> None:
        """`add` puts another key on the queue; `now` is the time, in UTC.

        `vault` writes what the gateways may read there; None: someone else does.
        """
        self._granting = Granting(world=world, hub=hub, keeper=vault)
        self._kube = kube
        self._world = world
        self._hub = hub
        self._acks = acks
        self._compile = compile_tenant
        self._surroundings = surroundings
        self._settings = settings
        self._operator_ca = operator_ca
        self._now = now
        self._add = add
        self._claims = Claims(kube)
        self._applier = Applier(kube)
        self._statuses = StatusWriter(kube, now=now)
        self._opinions = Opinions()
        self._hearing = Hearing(world=world, acks=acks, now=now)
        self._leaving = Leaving(
            kube=kube,
            world=world,
            hub=hub,
            acks=acks,
            hearing=self._hearing,
            claims=self._claims,
            applier=self._applier,
            settings=settings,
            operator_ca=operator_ca,
            now=now,
        )

    async def __call__(self, key: str) -> float | None:
        """Handle one key; after how many seconds to look again, None: its world is gone."""
        parsed = Key.parse(key)
        match parsed.kind:
            case KeyKind.TENANT:
                return await self._tenant(parsed.name)
            case KeyKind.NAMESPACE:
                return await self._orphans(parsed.name)
            case KeyKind.SHARED:
                return await self._shared(Ref(kind=parsed.of, namespace="", name=parsed.name))

    async def _tenant(self, name: str) -> float | None:
        tenant = self._world.tenant(name)
        if tenant is None:
            return await self._gone(name)
        if isinstance(tenant, Broken):
            await self._statuses.write(tenant, [invalid(tenant, now=self._now())])
            return math.inf
        outcomes = [await self._namespace(tenant, claim.name) for claim in tenant.spec.namespaces]
        said = summary(tenant, outcomes, now=self._now())
        told = {one.namespace: self._acks.of(one.namespace).values() for one in outcomes}
        keys = of_namespaces(told, accepted=said[0], now=self._now())
        degraded = (with_dependencies(keys, told, now=self._now()),)
        grants = self._granting.ask(tenant, outcomes, now=self._now())
        await self._statuses.write(
            tenant,
            [*said, *(degraded if self._hearing.heard(told) else ()), *grants],
            more={
                "namespaces": [outcome.status for outcome in outcomes],
                "ready": ready_of(tenant, self._world.pods),
            },
            rolled=of_tenant(tenant, self._acks.of),
            without=() if grants else (ConditionType.VAULT_GRANTED,),
        )
        pause = min([await self._departures(tenant), *(one.look_again for one in outcomes)])
        for outcome in outcomes:
            if outcome.failure is not None:
                raise outcome.failure
        returning = self._hearing.returning()
        return min(pause, returning + 1) if returning > 0 else pause

    async def _namespace(self, tenant: Tenant, namespace: str) -> Outcome:
        inputs = gather(self._world, tenant, namespace, surroundings=self._surroundings())
        result = self._compile(inputs, self._now())
        accepted = result.conditions[identity(tenant)]
        state = self._world.namespace(namespace)
        if state is None or state.terminating:
            return missing(namespace, terminating=state is not None, accepted=accepted)
        self._share(tenant, namespace, result.conditions)
        if result.config is None:
            return await self._unaccepted(tenant, namespace, result, accepted)
        binding = await self._claims.hold(tenant, namespace, seen=self._world.binding(namespace))
        if isinstance(binding, Taken):
            return taken(namespace, by=binding.tenant, leaving=binding.leaving, accepted=accepted)
        seen = tuple(self._world.children(namespace))
        if names := await self._applier.evict(namespace, seen=seen, binding=binding.uid):
            return inherited(namespace, names=names, accepted=accepted)
        version = self._hub.put(
            namespace, result.config, stored=self._world.stored(namespace, CONFIG_CURRENT)
        )
        published = self._hub.newest(namespace)
        if published is None:  # pragma: no cover - it was put just now
            raise AssertionError(namespace)
        verdict = self._hearing.verdict(namespace, published)
        failure: KubeError | None = None
        try:
            await self._children(tenant, binding, published, result, verdict)
        except KubeError as error:
            # Said in the status first; then the queue tries again.
            failure = error
            verdict = Verdict(Reason.CHILDREN_REFUSED, f"The API server refuses: {error}")
        await self._statuses_of(namespace, result.conditions, verdict)
        return Outcome(
            namespace,
            bound=True,
            accepted=accepted,
            verdict=verdict,
            digest=version.digest if verdict.programmed else "",
            failure=failure,
        )

    async def _unaccepted(
        self, tenant: Tenant, namespace: str, result: CompileResult, accepted: Condition
    ) -> Outcome:
        """The Tenant can't be served as it is now; what was served before goes on."""
        binding = self._world.binding(namespace)
        bound = binding is not None and binding.tenant_uid == tenant.metadata.uid
        verdict = Verdict(Reason.NOT_ACCEPTED, accepted.message)
        if bound or binding is None:
            await self._statuses_of(namespace, result.conditions, verdict)
        return Outcome(namespace, bound=bound, accepted=accepted, verdict=verdict)

    async def _children(
        self,
        tenant: Tenant,
        binding: Binding,
        published: Published,
        result: CompileResult,
        verdict: Verdict,
    ) -> None:
        if result.config is None:
            return
        namespace = binding.namespace
        gateway = Gateway(
            binding=binding,
            replicas=tenant.spec.gateway.fewest if tenant.spec.gateway else 1,
            scaling=_scaling(tenant),
            shared_store=result.config.HasField("quota_store"),
            current=(published.version, result.config),
            acked=(published.version, published.config) if verdict.programmed else None,
            operator_ca=self._operator_ca(),
            settings=self._settings,
            restrict_workloads=tenant.spec.workload_egress is WorkloadEgress.RESTRICT,
        )
        wanted = build_gateway(gateway)
        seen = tuple(self._world.children(namespace))
        await self._applier.apply(namespace, wanted, seen=seen)
        await self._applier.prune(
            namespace, wanted, seen=seen, keep=frozenset({(CONFIG_MAP.kind, CONFIG_ACKED)})
        )

    async def _statuses_of(
        self, namespace: str, said: Mapping[Ref, Condition], verdict: Verdict
    ) -> None:
        """Status of what the tenant team wrote in this namespace."""
        published = self._hub.newest(namespace)
        config = TenantConfig.FromString(published.config) if published else TenantConfig()
        for resource in tuple(self._world.of_namespace(namespace)):
            accepted = said.get(identity(resource))
            if accepted is None:
                if not isinstance(resource, Broken):
                    continue
                accepted = invalid(resource, now=self._now())
            shown = [accepted]
            if isinstance(resource, ModelRoute):
                shown = of_route(
                    resource.metadata.name,
                    config,
                    self._acks.of(namespace).values(),
                    accepted=accepted,
                    now=self._now(),
                )
                if not self._hearing.heard((namespace,)):
                    shown = shown[:1]
            quota = resource if isinstance(resource, Quota) else None
            await self._statuses.write(
                resource,
                [*shown, programmed(resource, accepted, verdict, now=self._now())],
                rolled=of_quota(quota, self._acks.of(namespace).values()) if quota else None,
            )

    def _share(self, tenant: Tenant, namespace: str, said: Mapping[Ref, Condition]) -> None:
        shared = {ref: condition for ref, condition in said.items() if ref.kind in SHARED}
        for ref in self._opinions.put((tenant.metadata.name, namespace), shared):
            self._add(str(Key(KeyKind.SHARED, ref.name, of=ref.kind)))

    async def _shared(self, ref: Ref) -> float | None:
        """Status of a resource that several tenants use."""
        found = (
            self._world.cluster_providers
            if ref.kind == "ClusterModelProvider"
            else self._world.price_books
        ).get(ref.name, ())
        resource = next(iter(found), None)
        if resource is None:
            self._statuses.forget(ref)
            return None
        said = self._opinions.of(ref)
        if isinstance(resource, Broken):
            said = invalid(resource, now=self._now())
        if said is None:
            said = condition(
                resource,
                ConditionType.ACCEPTED,
                Verdict(Reason.ACCEPTED, "No tenant uses it yet."),
                holds=True,
                now=self._now(),
            )
        await self._statuses.write(
            resource, [replace(said, observed_generation=generation_of(resource))]
        )
        return math.inf

    async def _orphans(self, namespace: str) -> float | None:
        """Status of resources in a namespace that no tenant claims."""
        if self._world.binding(namespace) is not None:
            return None
        pause = self._farewell(namespace)
        if self._world.claims.get(namespace):
            return pause
        words = f"Namespace {namespace} is no tenant's: a Tenant's spec.namespaces has to list it."
        await self._unclaimed(namespace, words)
        return pause

    async def _unclaimed(self, namespace: str, words: str) -> None:
        """What a tenant team wrote there is served by nobody."""
        verdict = Verdict(Reason.UNCLAIMED_NAMESPACE, words)
        for resource in tuple(self._world.of_namespace(namespace)):
            accepted = condition(
                resource, ConditionType.ACCEPTED, verdict, holds=False, now=self._now()
            )
            await self._statuses.write(
                resource, [accepted, programmed(resource, accepted, verdict, now=self._now())]
            )

    async def _departures(self, tenant: Tenant) -> float:
        """Let go of namespaces that the tenant does not list, or of its name's last bearer."""
        listed = {claim.name for claim in tenant.spec.namespaces}
        return await self._depart(
            tenant.metadata.name,
            lambda one: one.namespace not in listed or one.tenant_uid != tenant.metadata.uid,
        )

    async def _depart(self, name: str, leaves: Callable[[BindingState], bool]) -> float:
        """Take each of this tenant's namespaces that leaves it a step further."""
        pause = math.inf
        for namespace in tuple(self._world.bound.get(name, ())):
            binding = self._world.binding(namespace)
            if binding is not None and leaves(binding):
                wait = await self._leaving.depart(binding)
                if wait is None:
                    continue
                pause = min(pause, wait)
                words = f"Namespace {namespace} is leaving tenant {name}: no call is accepted."
                await self._unclaimed(namespace, words)
        return pause

    async def _gone(self, name: str) -> float | None:
        """The Tenant is deleted: its namespaces leave it."""
        for ref in self._opinions.leave(name):
            self._add(str(Key(KeyKind.SHARED, ref.name, of=ref.kind)))
        pause = await self._depart(name, lambda _: True)
        if pause < math.inf:
            return pause
        # Not sooner: settling may need the shared store, whose password is there.
        self._granting.gone(name)
        return None

    def released(self, namespace: str) -> None:
        """The namespace's binding is gone: what is left of its gateway refuses every call."""
        published = self._hub.newest(namespace)
        if published is not None:
            self._hub.put(namespace, deny(TenantConfig.FromString(published.config)))
        self._applier.forget(namespace)
        self._add(namespace_key(namespace))

    def _farewell(self, namespace: str) -> float | None:
        """End the streams of a namespace without a tenant once its last pod is gone."""
        pods = tuple(self._world.pods.get(namespace, ()))
        self._acks.keep(namespace, {pod.uid for pod in pods})
        if pods and self._hub.newest(namespace) is not None:
            return 2.0
        self._hub.drop(namespace)
        return None


def _scaling(tenant: Tenant) -> Scaling | None:
    said = tenant.spec.gateway.autoscaling if tenant.spec.gateway else None
    if said is None:
        return None
    return Scaling(least=said.min_replicas, most=said.max_replicas, cpu_percent=said.target_cpu)
