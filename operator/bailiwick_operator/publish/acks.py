"""What each gateway pod said of the config it was sent, and what follows from it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bailiwick_contract.v1.config_stream_pb2 import Ack, KeyState, TypeState
from bailiwick_operator.conditions import Reason
from bailiwick_operator.publish.hub import Version

SHOWN = 3
"""Pods that a message names."""

LONGEST_MESSAGE = 1024
"""Characters of an error that are kept: it goes into a status that people read."""

LONGEST_REASON = 64
MOST_KEYS = 200
"""Of one pod's word."""


@dataclass(frozen=True, slots=True)
class KeyWord:
    """What a pod says of a key that is not as it should be; mount, path and field name it."""

    key: tuple[str, str, str]
    state: KeyState.State
    reason: str
    since: str
    message: str


@dataclass(frozen=True, slots=True)
class PodAck:
    """One pod's word on one config; `refused` is empty where it did not refuse."""

    pod: str
    version: Version
    serving: bool
    refused: str
    keys: tuple[KeyWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why every ready replica serves the newest config (PROGRAMMED), or why not."""

    reason: Reason
    message: str

    @property
    def programmed(self) -> bool:
        """True where every ready replica serves it."""
        return self.reason is Reason.PROGRAMMED


class AckBoard:
    """The last word of each pod, by namespace and pod UID."""

    def __init__(self, *, changed: Callable[[str], None]) -> None:
        """Start empty; `changed` is called with a namespace in which a pod says something new."""
        self._changed = changed
        self._acks: dict[str, dict[str, PodAck]] = {}

    def record(self, *, namespace: str, uid: str, ack: PodAck) -> None:
        """Keep this pod's word; says so only where it differs from its last."""
        pods = self._acks.setdefault(namespace, {})
        if pods.get(uid) != ack:
            pods[uid] = ack
            self._changed(namespace)

    def of(self, namespace: str) -> Mapping[str, PodAck]:
        """The last word of each pod of this namespace, by UID."""
        return MappingProxyType(self._acks.get(namespace, {}))

    def keep(self, namespace: str, uids: Collection[str]) -> None:
        """Forget the pods of this namespace that are gone."""
        kept = {uid: ack for uid, ack in self._acks.get(namespace, {}).items() if uid in uids}
        if kept:
            self._acks[namespace] = kept
        else:
            self._acks.pop(namespace, None)


def read_ack(ack: Ack, *, pod: str) -> PodAck:
    """The message as a value: serving only where every type was accepted and nothing warms."""
    refusals = [ack.error] if ack.error else []
    refusals += [
        f"{state.type_url.rpartition('.')[2]}: {state.error}"
        for state in ack.types
        if state.state == TypeState.STATE_NACKED
    ]
    serving = (
        not refusals
        and bool(ack.types)
        and all(state.state == TypeState.STATE_ACKED for state in ack.types)
    )
    return PodAck(
        pod=pod,
        version=Version(sequence=ack.sequence, digest=ack.digest),
        serving=serving,
        refused="; ".join(refusals)[:LONGEST_MESSAGE],
        keys=tuple(_key_word(one) for one in ack.keys[:MOST_KEYS]),
    )


def _key_word(said: KeyState) -> KeyWord:
    credential = said.credential
    return KeyWord(
        key=(credential.mount, credential.path, credential.key),
        state=said.state,
        reason=said.reason[:LONGEST_REASON],
        since=said.since[:LONGEST_REASON],
        message=said.message[:LONGEST_MESSAGE],
    )


def judge(version: Version, *, ready: Mapping[str, str], acks: Mapping[str, PodAck]) -> Verdict:
    """Say whether every ready pod serves exactly `version`.

    `ready` maps the UIDs of the ready pods to their names. A refusal by any pod, ready or not,
    comes first: it is what someone has to act on.
    """
    refusing = sorted(
        (ack.pod, ack.refused) for ack in acks.values() if ack.version == version and ack.refused
    )
    if refusing:
        pod, words = refusing[0]
        more = f" ({len(refusing) - 1} more refuse it)" if len(refusing) > 1 else ""
        return Verdict(Reason.CONFIG_REFUSED, f"Pod {pod} refuses the config: {words}{more}")
    if not ready:
        return Verdict(
            Reason.NO_READY_REPLICA,
            "No gateway pod is ready: see `kubectl describe pods -l"
            " app.kubernetes.io/name=bailiwick-gateway`.",
        )
    behind = sorted(
        name
        for uid, name in ready.items()
        if not ((ack := acks.get(uid)) and ack.serving and ack.version == version)
    )
    if behind:
        shown = ", ".join(behind[:SHOWN]) + (", …" if len(behind) > SHOWN else "")
        return Verdict(
            Reason.PROPAGATING,
            f"{len(behind)} of {len(ready)} ready pods do not serve this config yet: {shown}.",
        )
    return Verdict(Reason.PROGRAMMED, f"All {len(ready)} ready pods serve this config.")
