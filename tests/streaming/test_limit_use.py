"""How far limits are used: from counters to the operator's word, slowly, and what it tells."""

from datetime import UTC, datetime
from typing import Any

from bailiwick_contract.v1.config_stream_pb2 import Ack, PodIdentity
from bailiwick_operator.publish.acks import AckBoard, PodAck, read_ack
from bailiwick_operator.uses import crossings, status_of, uses_of
from bailiwick_sidecar.config.status import Status
from bailiwick_sidecar.config.stream import acknowledgement
from bailiwick_sidecar.limit_use import EVERY_S, LimitUse, LimitUses, fullest
from bailiwick_sidecar.quota.model import LimitKind, LimitState
from bailiwick_sidecar.quota.periods import Calendar

NOW = datetime(2026, 11, 11, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CALENDAR = Calendar("UTC")
CALENDAR.turn(NOW_MS)
END = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1000)


def state(
    limit_id: str,
    used: int,
    *,
    limit: int = 100,
    kind: LimitKind = LimitKind.TOKENS_PER_MONTH,
    user: str = "",
) -> LimitState:
    subject = (("user", user),) if user else ()
    return LimitState(limit_id, kind, subject, limit, used, END, shadow=False)


def said(*states: LimitState, pod: str = "pod-a") -> PodAck:
    """What a pod with these counters says, as it comes through the stream."""
    status = Status(
        pid=1, desired="d", acked="d", sequence=7, error="", ready=True, reasons=(), warnings=(),
        limits=fullest(states, now=NOW_MS, calendar=CALENDAR),
    )  # fmt: skip
    word = acknowledgement(status, digest="d", pod=PodIdentity(name=pod))
    return read_ack(Ack.FromString(word.SerializeToString()), pod=pod)


def test_the_fullest_counter_speaks_for_its_limit_and_no_user_is_named() -> None:
    """Users may be many, and who they are is nobody's business in a status."""
    found = fullest(
        [
            state("Quota/each#tokensPerMonth", 10, user="ann"),
            state("Quota/each#tokensPerMonth", 90, user="bob"),
            state("Quota/money#budgetMonth", 5 * 10**11, limit=10**12, kind=LimitKind.BUDGET_MONTH),
        ],
        now=NOW_MS,
        calendar=CALENDAR,
    )

    assert [(one.limit, one.used, one.amount, one.left, one.percent) for one in found] == [
        ("Quota/each#tokensPerMonth", "90", "100", "10", 90),
        ("Quota/money#budgetMonth", "0.50", "1.00", "0.50", 50),
    ]
    assert "bob" not in repr(found)
    # Ten days took 90 of 100: a day and a bit takes the rest.
    assert found[0].exhausted_at.startswith("2026-11-12")


def test_of_too_many_limits_the_fullest_are_told() -> None:
    """The message stays bounded."""
    found = fullest(
        [state(f"Quota/q{number}#tokensPerMonth", number) for number in range(100)],
        now=NOW_MS,
        calendar=CALENDAR,
        most=10,
    )

    assert {one.percent for one in found} == set(range(90, 100))


def test_counters_are_looked_at_every_some_seconds() -> None:
    """Asked twice a second, it reads the counters once in a while."""
    clock = [0.0]
    looks: list[int] = []

    def states(now: int) -> list[LimitState]:
        looks.append(now)
        return [state("Quota/q#tokensPerMonth", len(looks))]

    uses = LimitUses(states, clock=lambda: NOW_MS, monotonic=lambda: clock[0])
    for _ in range(10):
        assert uses.seen("UTC")[0].used == "1"
    clock[0] = EVERY_S
    assert uses.seen("UTC")[0].used == "2"


def test_use_alone_wakes_the_operator_once_a_minute_or_at_a_step_of_a_period() -> None:
    """Never for each word: ten thousand gateways speak four times a minute each."""
    clock, woken = [0.0], list[str]()
    board = AckBoard(changed=woken.append, monotonic=lambda: clock[0])

    def hear(used: int, kind: LimitKind = LimitKind.TOKENS_PER_MONTH) -> int:
        one = state(f"Quota/q#{kind.value}", used, kind=kind)
        board.record(namespace="a", uid="u", ack=said(one))
        return len(woken)

    assert hear(1) == 1, "its first word"
    clock[0] = 15
    assert hear(2) == 1
    assert hear(6) == 2, "over five percent of a month"
    clock[0] = 70
    assert hear(7) == 2
    clock[0] = 80
    assert hear(7) == 2, "nothing changed"
    assert hear(8) == 3, "a minute is over"
    minute = LimitKind.TOKENS_PER_MINUTE
    clock[0] = 90
    assert [hear(used, minute) for used in (90, 10, 90)][-1] <= 4, "a window goes up and down"
    assert [one.used for one in board.of("a")["u"].uses] == ["90"], "the newest is known anyhow"


def test_a_status_has_the_fullest_of_all_pods_by_the_resources_own_names() -> None:
    """Of a Quota its fields, of a Tenant what it is in there."""
    acks = [
        said(state("Quota/search#tokensPerMonth", 31), state("Quota/search2#tokensPerMonth", 99)),
        said(
            state("Quota/search#tokensPerMonth", 40),
            state("Tenant/acme/limits#tokensPerMonth", 12),
            pod="pod-b",
        ),
    ]
    quota = status_of("Quota", "search", uses_of("Quota", "search", acks), before={}, now=NOW)
    tenant = status_of("Tenant", "acme", uses_of("Tenant", "acme", acks), before={}, now=NOW)

    assert quota["used"] == "40% tokensPerMonth"
    assert [(one["name"], one["used"], one["left"]) for one in quota["use"]] == [
        ("tokensPerMonth", "40", "60")
    ]
    assert quota["updatedAt"] == "2026-11-11T00:00:00Z"
    assert [one["name"] for one in tenant["use"]] == ["limits#tokensPerMonth"]


def test_nothing_known_and_nothing_new_leave_a_status_as_it_is() -> None:
    """A restarted operator that has heard of nobody yet forgets nothing and writes nothing."""
    uses = uses_of("Quota", "q", [said(state("Quota/q#tokensPerMonth", 31))])
    before = status_of("Quota", "q", uses, before={}, now=NOW)
    later = NOW.replace(hour=5)

    assert status_of("Quota", "q", (), before=before, now=later) == before
    assert status_of("Quota", "q", uses, before=before, now=later) == before


def told(before: list[dict[str, Any]], used: int, kind: str = "tokensPerMonth") -> list[str]:
    uses = uses_of("Quota", "q", [said(state(f"Quota/q#{kind}", used))])
    return [one.note for one in crossings(uses, thresholds=(80, 100), before=before)]


def test_a_threshold_is_told_once_with_the_day_on_which_it_is_spent() -> None:
    """At 80 and at 100 percent; not again while it stands there, and not of a minute's limit."""
    at_85 = [{"name": "tokensPerMonth", "percent": 85}]

    assert told([], 79) == []
    (note,) = told([], 85)
    assert note == (
        "Quota/q#tokensPerMonth is 85 % used: 85 of 100. At this rate it is used up on 2026-11-12."
    )
    assert told(at_85, 90) == []
    (note,) = told(at_85, 100)
    assert note.endswith("are refused until 2026-12-01T00:00:00.000+00:00.")
    assert told([], 130, kind="tokensPerMinute") == []


def test_uses_are_values() -> None:
    """Equal words are equal, so that an unchanged stream stays silent."""
    one = LimitUse("l", "1", "0", "1", 0, "", "")

    assert one == LimitUse("l", "1", "0", "1", 0, "", "")
