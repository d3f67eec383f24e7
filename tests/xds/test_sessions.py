"""One stream's state machine: order, ACK, NACK, subscriptions."""

from envoy_data_plane.google.protobuf import Any

from bailiwick_sidecar.xds.sessions import Request, Response, Session
from bailiwick_sidecar.xds.snapshot import Kind, References, Snapshot

ALL = (Kind.CLUSTER, Kind.LISTENER, Kind.EXTENSION, Kind.ROUTES)


def snapshot(clusters: dict[str, str], mark: str = "") -> Snapshot:
    """A small world; values stand for bodies."""

    def pack(bodies: dict[str, str]) -> dict[str, Any]:
        return {name: Any(type_url="t", value=body.encode()) for name, body in bodies.items()}

    return Snapshot(
        resources={
            Kind.CLUSTER: pack(clusters),
            Kind.LISTENER: pack({"l": "l"}),
            Kind.EXTENSION: pack({"e": "e" + mark}),
            Kind.ROUTES: pack({"r": "r" + mark}),
        },
        references=References(frozenset(clusters), frozenset({"r"}), frozenset({"e"})),
    )


def ask(session: Session, kind: Kind) -> None:
    """Subscribe."""
    names = {Kind.EXTENSION: frozenset({"e"}), Kind.ROUTES: frozenset({"r"})}
    session.receive(Request(kind, names.get(kind, frozenset()), "", None))


def ack(session: Session, response: Response, error: str | None = None) -> object:
    """Answer a response."""
    names = {Kind.EXTENSION: frozenset({"e"}), Kind.ROUTES: frozenset({"r"})}
    return session.receive(
        Request(response.kind, names.get(response.kind, frozenset()), response.nonce, error)
    )


def bodies(response: Response) -> list[str]:
    """What a response holds."""
    return [one.value.decode() for one in response.resources]


def settle(session: Session, target: Snapshot) -> list[tuple[Kind, list[str]]]:
    """Answer everything until nothing comes; what came, in order."""
    seen = []
    while responses := list(session.respond(target)):
        for response in responses:
            seen.append((response.kind, bodies(response)))
            assert ack(session, response) is None
    return seen


def ready(target: Snapshot) -> Session:
    """A session that holds the target."""
    session = Session()
    for kind in ALL:
        ask(session, kind)
    settle(session, target)
    assert session.holds(target)
    return session


def test_nothing_is_sent_unasked() -> None:
    """A kind comes when it was asked for, clusters before all else."""
    session = Session()
    target = snapshot({"a": "1"})
    assert list(session.respond(target)) == []
    ask(session, Kind.ROUTES)
    assert list(session.respond(target)) == []
    ask(session, Kind.CLUSTER)

    (first,) = session.respond(target)
    assert first.kind is Kind.CLUSTER
    ack(session, first)
    (second,) = session.respond(target)
    assert second.kind is Kind.ROUTES


def test_without_a_target_nothing_is_sent() -> None:
    """A server that has no config yet says nothing."""
    session = Session()
    ask(session, Kind.CLUSTER)

    assert list(session.respond(None)) == []


def test_clusters_come_first_and_go_last() -> None:
    """Make before break."""
    session = ready(snapshot({"a": "1", "b": "2"}))

    seen = settle(session, snapshot({"b": "2", "c": "3"}, mark="!"))

    assert seen == [
        (Kind.CLUSTER, ["1", "2", "3"]),
        (Kind.EXTENSION, ["e!"]),
        (Kind.ROUTES, ["r!"]),
        (Kind.CLUSTER, ["2", "3"]),
    ]


def test_only_what_changed_is_sent() -> None:
    """An equal snapshot is nothing new."""
    session = ready(snapshot({"a": "1"}))

    assert list(session.respond(snapshot({"a": "1"}))) == []


def test_dependents_wait_for_the_clusters() -> None:
    """No route to a cluster that Envoy has not taken."""
    session = ready(snapshot({"a": "1"}))
    target = snapshot({"a": "1", "b": "2"}, mark="!")

    (clusters,) = session.respond(target)
    assert list(session.respond(target)) == []
    ack(session, clusters)

    assert {one.kind for one in session.respond(target)} == {Kind.EXTENSION, Kind.ROUTES}
    assert not session.holds(target)


def test_a_refusal_is_returned_with_envoys_words() -> None:
    """Kind, version and message."""
    session = ready(snapshot({"a": "1"}))
    (response,) = session.respond(snapshot({"a": "bad"}))

    rejection = ack(session, response, error="no such thing")

    assert (rejection.kind, rejection.version, rejection.message) == (
        Kind.CLUSTER,
        response.version,
        "no such thing",
    )


def test_after_a_refusal_the_good_one_is_sent_again() -> None:
    """Of a refused list Envoy may have taken parts; other kinds go back too."""
    good = snapshot({"a": "1"})
    session = ready(good)
    bad = snapshot({"a": "1", "b": "2"}, mark="!")
    (clusters,) = session.respond(bad)
    ack(session, clusters)
    extension, routes = session.respond(bad)
    ack(session, extension)
    ack(session, routes, error="bad routes")

    assert not session.holds(good)
    seen = settle(session, good)

    assert session.holds(good)
    assert seen == [
        (Kind.EXTENSION, ["e"]),
        (Kind.ROUTES, ["r"]),
        (Kind.CLUSTER, ["1"]),
    ]


def test_an_answer_to_an_older_response_counts_for_nothing() -> None:
    """A nonce that is not the last one is stale."""
    session = Session()
    target = snapshot({"a": "1"})
    ask(session, Kind.CLUSTER)
    (response,) = session.respond(target)

    stale = Request(Kind.CLUSTER, frozenset(), "0", "old news")

    assert session.receive(stale) is None
    assert not session._took(Kind.CLUSTER, target)
    ack(session, response)
    assert session._took(Kind.CLUSTER, target)


def test_a_new_name_is_answered() -> None:
    """A subscription that grows gets what it asks for, though the version is the same."""
    session = ready(snapshot({"a": "1"}))
    session.receive(Request(Kind.ROUTES, frozenset({"r", "x"}), "", None))

    (response,) = session.respond(snapshot({"a": "1"}))

    assert bodies(response) == ["r"]


def test_one_response_of_a_kind_is_under_way() -> None:
    """The next waits for the answer; then the newest is sent, not each between."""
    session = ready(snapshot({"a": "1"}))
    (first,) = session.respond(snapshot({"a": "2"}))
    assert list(session.respond(snapshot({"a": "3"}))) == []
    ack(session, first)

    (second,) = session.respond(snapshot({"a": "4"}))

    assert bodies(second) == ["4"]
