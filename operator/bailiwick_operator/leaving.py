"""Lets go of namespaces: has their gateways refuse calls and settle, then releases them.

A TenantBinding is not owned by its Tenant. If it were, the garbage collector would take it with the
Tenant, and with it at once the gateway and the account by which its last rows reach the ledger.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.applied import Applier
from bailiwick_operator.children.config import build_acked, build_current, stored_config
from bailiwick_operator.children.model import Binding, Gateway, GatewaySettings
from bailiwick_operator.children.naming import BINDING, CONFIG_CURRENT
from bailiwick_operator.claim import Claims
from bailiwick_operator.conditions import Reason
from bailiwick_operator.departure import Wait, denied, left_of, may_go
from bailiwick_operator.events import build_notice
from bailiwick_operator.hearing import Hearing
from bailiwick_operator.kube.kinds import CONFIG_MAP, EVENT, TENANT_BINDING
from bailiwick_operator.kube.model import AlreadyExistsError, Kube, KubeError, NotFoundError
from bailiwick_operator.publish.acks import AckBoard, Verdict
from bailiwick_operator.publish.hub import Hub, Version
from bailiwick_operator.world import BindingState, World

log = logging.getLogger(__name__)

SETTLING_S = 10.0
"""A namespace that is not settled after this says what it waits for."""


class Leaving:
    """Takes one namespace a step further at each look; idempotent."""

    def __init__(
        self,
        *,
        kube: Kube,
        world: World,
        hub: Hub,
        acks: AckBoard,
        hearing: Hearing,
        claims: Claims,
        applier: Applier,
        settings: GatewaySettings,
        operator_ca: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        """The parts of the reconciler that it needs; `now` is the time, in UTC."""
        self._kube = kube
        self._world = world
        self._hub = hub
        self._acks = acks
        self._hearing = hearing
        self._claims = claims
        self._applier = applier
        self._settings = settings
        self._operator_ca = operator_ca
        self._now = now
        self._released: dict[str, str] = {}
        """UID of the last binding that was released, by namespace: its watch may be behind."""

    async def depart(self, binding: BindingState) -> float | None:
        """After how many seconds to look again; None: the namespace is released."""
        namespace, now = binding.namespace, self._now()
        if self._released.get(namespace) == binding.uid:
            return None
        version = await self._refuse(binding)
        state = self._world.namespace(namespace)
        if binding.terminating or state is None or state.terminating:
            # Everything in it goes at once, whatever we do.
            await self._release(binding)
            return None
        since = binding.leaving_since
        if not since:
            try:
                since = await self._claims.leave(binding, now=now)
            except NotFoundError:
                return None
            words = "Calls are refused; the gateway goes once the ledger has the rows of the last."
            await self._say(binding, since, Verdict(Reason.LEAVING, words), warning=False)
        pods = tuple(self._world.pods.get(namespace, ()))
        self._acks.keep(namespace, {pod.uid for pod in pods})
        left = left_of(version, pods=pods, acks=self._acks.of(namespace))
        await self._keep_config(binding, refusing=not left.unheard)
        verdict = may_go(
            left,
            leaving_since=since,
            now=now,
            longest=self._settings.leave_seconds,
            heard=self._hearing.returning() <= 0,
        )
        if isinstance(verdict, Wait):
            if (now - datetime.fromisoformat(since)).total_seconds() >= SETTLING_S:
                words = f"Waits, {self._settings.leave_seconds} s at most: {left.words}."
                stage = f"{since}/{left.stage}"
                await self._say(binding, stage, Verdict(Reason.SETTLING, words))
            return verdict.seconds
        await self._say(binding, since, verdict, warning=verdict.reason is Reason.NOT_SETTLED)
        await self._release(binding)
        return None

    async def _release(self, binding: BindingState) -> None:
        if not binding.terminating:
            await self._claims.release(binding)
        self._released[binding.namespace] = binding.uid
        self._applier.forget(binding.namespace)

    async def _refuse(self, binding: BindingState) -> Version:
        """Publish that every call is refused, on the config that is out or was before a restart."""
        namespace = binding.namespace
        stored = self._world.stored(namespace, CONFIG_CURRENT)
        newest = self._hub.newest(namespace)
        known = TenantConfig.FromString(newest.config) if newest is not None else None
        if known is None and stored is not None:
            found = await self._kube.get(CONFIG_MAP, namespace=namespace, name=CONFIG_CURRENT)
            known = stored_config(found) if found is not None else None
        return self._hub.put(namespace, denied(known, binding), stored=stored)

    async def _keep_config(self, binding: BindingState, *, refusing: bool) -> None:
        """A pod that starts now refuses calls from its first moment, also without the operator."""
        published = self._hub.newest(binding.namespace)
        if published is None:  # pragma: no cover - it was put just now
            return
        gateway = Gateway(
            binding=Binding(
                namespace=binding.namespace,
                uid=binding.uid,
                tenant=binding.tenant,
                tenant_uid=binding.tenant_uid,
            ),
            replicas=1,
            shared_store=False,
            current=(published.version, TenantConfig.FromString(published.config)),
            acked=(published.version, published.config) if refusing else None,
            operator_ca=self._operator_ca(),
            settings=self._settings,
        )
        made = (build_acked(gateway), build_current(gateway))
        await self._applier.apply(
            binding.namespace,
            tuple(one for one in made if one is not None),
            seen=tuple(self._world.children(binding.namespace)),
        )

    async def _say(
        self, binding: BindingState, stage: str, said: Verdict, *, warning: bool = True
    ) -> None:
        """An Event and a line in the log, once for each stage and reason."""
        event = build_notice(
            namespace=binding.namespace,
            name=BINDING,
            kind=TENANT_BINDING,
            uid=binding.uid,
            stage=stage,
            reason=said.reason,
            note=f"Leaves tenant {binding.tenant}. {said.message}",
            warning=warning,
            now=self._now(),
        )
        try:
            await self._kube.create(EVENT, event)
        except AlreadyExistsError:
            return
        except KubeError as error:
            log.warning("event not recorded namespace=%s error=%r", binding.namespace, str(error))
        log.log(
            logging.WARNING if warning else logging.INFO,
            "namespace leaves namespace=%s tenant=%s reason=%s message=%r",
            binding.namespace,
            binding.tenant,
            said.reason,
            said.message,
        )
