"""One Envoy's stream as a state machine (xDS, state of the world).

Pure: bytes and time are elsewhere. Order is make before break: clusters that come, then listener,
extensions and routes, then the clusters that go. One response of a kind is under way at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bailiwick_sidecar.xds.snapshot import Kind, Packed, Snapshot, digest

_DEPENDENT = (Kind.LISTENER, Kind.EXTENSION, Kind.ROUTES)


@dataclass(frozen=True, slots=True)
class Request:
    """A DiscoveryRequest, as far as it matters here."""

    kind: Kind
    names: frozenset[str]
    nonce: str
    error: str | None
    """What Envoy says about the response of this nonce; None: it took it."""


@dataclass(frozen=True, slots=True)
class Response:
    """A DiscoveryResponse, as far as it matters here."""

    kind: Kind
    version: str
    nonce: str
    resources: tuple[Packed, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Envoy refused a version; `message` is its own words."""

    kind: Kind
    version: str
    message: str


@dataclass(slots=True)
class _Subscription:
    names: frozenset[str]
    held: Mapping[str, Packed] = field(default_factory=dict)
    held_version: str | None = None
    sent: Mapping[str, Packed] = field(default_factory=dict)
    sent_version: str = ""
    nonce: str = ""


class Session:
    """What one stream has asked for, was sent and took."""

    def __init__(self) -> None:
        self._subscriptions: dict[Kind, _Subscription] = {}
        self._count = 0

    def receive(self, request: Request) -> Rejection | None:
        """Take a request: a subscription, an ACK, or a NACK, which is returned."""
        mine = self._subscriptions.get(request.kind)
        if mine is None:
            self._subscriptions[request.kind] = _Subscription(names=request.names)
            return None
        rejection = None
        if mine.nonce and request.nonce == mine.nonce:
            mine.nonce = ""
            if request.error is None:
                mine.held, mine.held_version = mine.sent, mine.sent_version
            else:
                rejection = Rejection(request.kind, mine.sent_version, request.error)
                # Of a list with one bad member Envoy may have taken the others: what it holds
                # is not known until it takes the next response.
                mine.held_version = None
        if request.names != mine.names:
            mine.names = request.names
            mine.held_version = None
        return rejection

    def respond(self, target: Snapshot | None) -> Iterator[Response]:
        """What may be sent now on the way to the target."""
        if target is None:
            return
        for kind, mine in self._subscriptions.items():
            wanted = self._wanted(kind, target)
            if wanted is None or mine.nonce:
                continue
            if mine.names:
                wanted = {name: body for name, body in wanted.items() if name in mine.names}
            version = digest(wanted)
            if version == mine.held_version:
                continue
            self._count += 1
            mine.nonce, mine.sent, mine.sent_version = str(self._count), wanted, version
            yield Response(
                kind, version, mine.nonce, tuple(wanted[name] for name in sorted(wanted))
            )

    def holds(self, target: Snapshot) -> bool:
        """True where Envoy took everything of the target, and nothing else is under way."""
        return all(
            kind in self._subscriptions and self._took(kind, target)
            for kind in Kind
            if target.resources.get(kind)
        )

    def _took(self, kind: Kind, target: Snapshot) -> bool:
        mine = self._subscriptions[kind]
        return not mine.nonce and mine.held_version == target.version(kind)

    def _wanted(self, kind: Kind, target: Snapshot) -> Mapping[str, Packed] | None:
        resources = target.resources.get(kind, {})
        if kind is Kind.CLUSTER:
            dependents = [one for one in _DEPENDENT if one in self._subscriptions]
            if all(self._took(one, target) for one in dependents):
                return resources
            return {**self._subscriptions[kind].held, **resources}
        clusters = self._subscriptions.get(Kind.CLUSTER)
        wanted_clusters = target.resources.get(Kind.CLUSTER, {})
        if clusters is None or clusters.nonce or clusters.held_version is None:
            return None
        if any(clusters.held.get(name) != body for name, body in wanted_clusters.items()):
            return None
        return resources
