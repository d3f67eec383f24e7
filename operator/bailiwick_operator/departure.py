"""How a namespace leaves its tenant: no new call, then the last rows, then nothing at all.

Pure: what is told to a gateway, what is left of its work, and whether it may go.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.conditions import Reason
from bailiwick_operator.publish.acks import PodAck, Verdict
from bailiwick_operator.publish.hub import Version
from bailiwick_operator.world import BindingState, PodState

REASON = "this namespace is leaving its tenant: no call is accepted any more"

UNHEARD_S = 120.0
"""After this a gateway goes that does not say that it refuses calls: it may still take them."""

LOOK_S = 5.0
"""Gateways speak up by themselves; this is for time that passes."""

SHOWN = 3
"""Pods that a message names."""


@dataclass(frozen=True, slots=True)
class Left:
    """What keeps a namespace's gateway, in words of its pods; `pods` is how many there are."""

    pods: int
    unheard: tuple[str, ...] = ()
    """Pods that do not say that they refuse calls."""
    unsettled: tuple[str, ...] = ()
    """Pods that refuse calls, and have calls under way or rows that the ledger has not."""
    stage: str = ""
    """What is waited for in one word for all pods: the same word, no news."""

    @property
    def words(self) -> str:
        """What is waited for."""
        said = (*self.unheard, *self.unsettled)
        return "; ".join(said[:SHOWN]) + ("; …" if len(said) > SHOWN else "")


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again after `seconds`."""

    seconds: float


def denied(known: TenantConfig | None, binding: BindingState) -> TenantConfig:
    """The namespace's config with every call refused; a bare one where it is not known."""
    if known is not None and known.tenant_uid == binding.tenant_uid:
        return deny(known)
    return deny(
        TenantConfig(
            contract_version=CONTRACT_VERSION,
            tenant=binding.tenant,
            tenant_uid=binding.tenant_uid,
            namespace=binding.namespace,
        )
    )


def deny(config: TenantConfig) -> TenantConfig:
    """The same config, with every call refused."""
    config.deny_reason = REASON
    return config


def left_of(version: Version, *, pods: Collection[PodState], acks: Mapping[str, PodAck]) -> Left:
    """What the namespace's pods have still to do; `version` refuses every call.

    A pod that never ran has taken no call, and one that ended can do nothing any more.
    """
    unheard: list[str] = []
    unsettled: list[str] = []
    stages: set[str] = set()
    alive = sorted((pod for pod in pods if pod.alive), key=lambda pod: pod.name)
    for pod in alive:
        ack = acks.get(pod.uid)
        if ack is None or ack.version != version or not ack.serving:
            why = f": {ack.refused}" if ack is not None and ack.refused else ""
            unheard.append(f"pod {pod.name} does not say that it refuses calls{why}")
            stages.add("unheard")
        elif (found := _unsettled(ack)) is not None:
            stage, words = found
            unsettled.append(f"pod {pod.name} {words}")
            stages.add(stage)
    return Left(
        pods=len(alive),
        unheard=tuple(unheard),
        unsettled=tuple(unsettled),
        stage="+".join(sorted(stages)),
    )


def _unsettled(ack: PodAck) -> tuple[str, str] | None:
    """What the pod has still to do: in one word, and in a sentence without its subject."""
    left = ack.remainder
    if left is None:
        return "silent", "does not say whether its rows are in the ledger"
    if left.nothing:
        return None
    if left.in_flight:
        return "calls", f"has {left.in_flight} calls under way"
    trouble = next((one.message for one in ack.away if one.dependency == "ledger"), "")
    words = f"has {left.rows} rows in {left.place} that the ledger has not"
    return "rows", f"{words} ({trouble})" if trouble else words


def may_go(
    left: Left, *, leaving_since: str, now: datetime, longest: float, heard: bool
) -> Wait | Verdict:
    """How the namespace may be released now, or for how long to wait.

    Args:
        left: what its gateway has still to do.
        leaving_since: when it began to leave (RFC 3339).
        now: the time.
        longest: seconds that a gateway has to settle and ship at most.
        heard: False while agents may still be on their way back after the operator's start.
    """
    if not left.pods:
        return Verdict(Reason.SETTLED, "No gateway pod runs.")
    if not left.unheard and not left.unsettled:
        return Verdict(
            Reason.SETTLED,
            f"All {left.pods} gateway pods refuse calls, and the ledger has every row of theirs.",
        )
    try:
        began = datetime.fromisoformat(leaving_since).astimezone(UTC).timestamp()
    except ValueError:
        began = now.timestamp()
    waited = now.timestamp() - began
    if heard and (waited >= longest or (left.unheard and waited >= UNHEARD_S)):
        return Verdict(
            Reason.NOT_SETTLED,
            f"Given up after {waited:.0f} s: {left.words}. A journal goes with its pod or volume"
            " claim, and rows that are only there go with it.",
        )
    return Wait(LOOK_S)
