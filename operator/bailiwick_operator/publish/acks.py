"""What each gateway pod said of the config it was sent, and what follows from it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bailiwick_contract.v1.config_stream_pb2 import (
    Ack,
    Dependency,
    KeyState,
    LimitUse,
    Remainder,
    TypeState,
)
from bailiwick_operator.conditions import Reason
from bailiwick_operator.publish.hub import Version

SHOWN = 3
"""Pods that a message names."""

LONGEST_MESSAGE = 1024
"""Characters of an error that are kept: it goes into a status that people read."""

LONGEST_REASON = 64
MOST_KEYS = MOST_USES = 200
MOST_DEPENDENCIES = 8
"""Of one pod's word."""
LONGEST_ID = 253
LONGEST_FIGURE = 40


@dataclass(frozen=True, slots=True)
class KeyWord:
    """What a pod says of a key that is not as it should be; mount, path and field name it."""

    key: tuple[str, str, str]
    state: KeyState.State
    reason: str
    since: str
    message: str


@dataclass(frozen=True, slots=True)
class DependencyWord:
    """What a pod says of something that it depends on and that is away; `since` is RFC 3339."""

    dependency: str
    reason: str
    since: str
    message: str = field(compare=False)
    """Differs from attempt to attempt: no news by itself."""


@dataclass(frozen=True, slots=True)
class UseWord:
    """What a pod says of one limit's use: decimal strings, RFC 3339 or empty."""

    limit: str
    amount: str
    used: str
    left: str
    percent: int
    resets_at: str
    exhausted_at: str


@dataclass(frozen=True, slots=True)
class RemainderWord:
    """What a pod that takes no calls has still to do; `rows` lie in `place` until then."""

    in_flight: int
    shipped: bool
    rows: int
    place: str

    @property
    def nothing(self) -> bool:
        """True where it may go and nothing is lost."""
        return self.shipped and not self.in_flight


@dataclass(frozen=True, slots=True)
class PodAck:
    """One pod's word on one config; `refused` is empty where it did not refuse."""

    pod: str
    version: Version
    serving: bool
    refused: str
    keys: tuple[KeyWord, ...] = ()
    away: tuple[DependencyWord, ...] = ()
    remainder: RemainderWord | None = None
    uses: tuple[UseWord, ...] = field(default=(), compare=False)
    """No news by itself: see `Uses`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why every ready replica serves the newest config (PROGRAMMED), or why not."""

    reason: Reason
    message: str

    @property
    def programmed(self) -> bool:
        """True where every ready replica serves it."""
        return self.reason is Reason.PROGRAMMED


ROLL_UP_S = 60.0
"""Seconds between two roll-ups of one namespace's use."""
SHARE_S = 0.1
"""Seconds for each namespace there is: all together are rolled up ten times a second at most."""
STEP = 5
"""Percent."""
PERIODIC = ("#tokensPerMonth", "#budgetDay", "#budgetMonth")


class AckBoard:
    """The last word of each pod, by namespace and pod UID."""

    def __init__(self, *, changed: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        """Start empty; `changed` is called with a namespace in which a pod says something new.

        `monotonic` (seconds) paces what is said of limits' use.
        """
        self._changed = changed
        self._monotonic = monotonic
        self._rolled: dict[str, float] = {}
        self._acks: dict[str, dict[str, PodAck]] = {}

    def record(self, *, namespace: str, uid: str, ack: PodAck) -> None:
        """Keep this pod's word; says so only where it differs from its last.

        Limits' use differs all the time: that is said once in a while, or where a limit of a day or
        month came a step further.
        """
        pods = self._acks.setdefault(namespace, {})
        before = pods.get(uid)
        pods[uid] = ack
        if before != ack or self._due(namespace, before.uses if before else (), ack.uses):
            self._rolled[namespace] = self._monotonic()
            self._changed(namespace)

    def _due(self, namespace: str, before: tuple[UseWord, ...], after: tuple[UseWord, ...]) -> bool:
        if before == after:
            return False
        pause = max(ROLL_UP_S, len(self._acks) * SHARE_S)
        return self._monotonic() - self._rolled.get(namespace, -pause) >= pause or (
            _steps(before) != _steps(after)
        )

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
            self._rolled.pop(namespace, None)


def _steps(uses: tuple[UseWord, ...]) -> dict[str, int]:
    """How far the limits of days and months are, in steps that are each told at once."""
    return {one.limit: one.percent // STEP for one in uses if one.limit.endswith(PERIODIC)}


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
        away=tuple(_dependency_word(one) for one in ack.degraded[:MOST_DEPENDENCIES]),
        remainder=_remainder_word(ack.remainder) if ack.HasField("remainder") else None,
        uses=tuple(_use_word(one) for one in ack.limits[:MOST_USES]),
    )


def _remainder_word(said: Remainder) -> RemainderWord:
    return RemainderWord(
        in_flight=said.in_flight,
        shipped=said.shipped,
        rows=said.rows,
        place=said.place[:LONGEST_ID],
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


def _dependency_word(said: Dependency) -> DependencyWord:
    return DependencyWord(
        dependency=said.dependency[:LONGEST_REASON],
        reason=said.reason[:LONGEST_REASON],
        since=said.since[:LONGEST_REASON],
        message=said.message[:LONGEST_MESSAGE],
    )


def _use_word(said: LimitUse) -> UseWord:
    return UseWord(
        limit=said.limit_id[:LONGEST_ID],
        amount=said.amount[:LONGEST_FIGURE],
        used=said.used[:LONGEST_FIGURE],
        left=said.left[:LONGEST_FIGURE],
        percent=said.percent,
        resets_at=said.resets_at[:LONGEST_FIGURE],
        exhausted_at=said.exhausted_at[:LONGEST_FIGURE],
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
