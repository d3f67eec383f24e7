"""What becomes of an attempt, case by case, as Envoy 1.40 was seen to record it."""

from dataclasses import dataclass

import pytest
from accounting.samples import START, intent
from msgspec.structs import replace

from bailiwick_sidecar.accounting.model import RowState, Usage
from bailiwick_sidecar.accounting.outcome import conclusive, outcome_of
from bailiwick_sidecar.accounting.records import AttemptEnd, RequestEnd

UNARY, STREAM, EMBED = intent(), intent(stream=True), intent(operation="embeddings")
NOTHING, RESERVED = Usage(), Usage(input=1_000, output=500)
SENT = {"tx": 150, "rx": 0, "d": 10}
FIGURES = '{"prompt_tokens":800,"completion_tokens":200,"total_tokens":1000}'
SETTLED, ESTIMATED = RowState.SETTLED, RowState.ESTIMATED
VOID, UNKNOWN = RowState.VOID, RowState.UNKNOWN


def end(status: int, flags: str = "-", **more: object) -> AttemptEnd:
    """An attempt's record, sent unless it says otherwise."""
    return AttemptEnd(**{"id": "s", "n": 1, "s": status, "f": flags, **SENT, **more})


def request(status: int, flags: str = "-", **more: object) -> RequestEnd:
    """A request's record whose last attempt is the first."""
    return RequestEnd(**{"id": "s", "n": 1, "s": status, "f": flags, "d": 12, "fb": 5, **more})


@dataclass(frozen=True)
class Case:
    """Records and the row that they make; `sure` where no further record is waited for."""

    name: str
    attempt: AttemptEnd | None
    request: RequestEnd | None
    state: RowState
    reason: str
    usage: Usage
    sure: bool = True
    intent: object = UNARY


USED = Usage(input=800, output=200)
REFUSED = end(0, "UF", tx=0)
CASES = [
    Case("answered", end(200), request(200, u=FIGURES), SETTLED, "usage", USED),
    Case("figures alone", None, request(200, u=FIGURES), SETTLED, "usage", USED),
    Case(
        "stream closed by its reader after the figures",
        end(200),
        request(200, "DC", u=FIGURES),
        SETTLED,
        "usage_before_cut",
        USED,
        intent=STREAM,
    ),
    Case(
        "embeddings have input alone",
        end(200),
        request(200, u='{"prompt_tokens":7,"total_tokens":7}'),
        SETTLED,
        "usage",
        Usage(input=7),
        intent=EMBED,
    ),
    Case("refused, and tried again", end(429), None, SETTLED, "error_status", NOTHING),
    Case("broken, and tried again", end(503), None, SETTLED, "error_status", NOTHING),
    Case("redirected", end(302), request(302), SETTLED, "error_status", NOTHING),
    Case(
        "refused, its own record lost",
        None,
        request(401, c="via_upstream"),
        SETTLED,
        "error_status",
        NOTHING,
        sure=False,
    ),
    Case("connection refused", REFUSED, None, VOID, "connect_failure", NOTHING),
    Case("circuit breaker", end(0, "UO", tx=0), None, VOID, "overflow", NOTHING),
    Case("timed out while connecting", end(0, "UT", tx=0), None, VOID, "not_sent", NOTHING),
    Case("script refused it", end(0, "-", tx=0), request(429), VOID, "not_sent", NOTHING),
    Case("no host", None, request(503, "UH"), VOID, "no_healthy_upstream", NOTHING),
    Case(
        "caller left during admission",
        None,
        request(0, "DC", n=0),
        VOID,
        "never_left",
        NOTHING,
    ),
    Case(
        "connection refused, its own record lost",
        None,
        request(503, "UF"),
        VOID,
        "connect_failure",
        NOTHING,
        sure=False,
    ),
    Case(
        "an earlier attempt's UF proves nothing of the last one",
        None,
        request(503, "URX,UF", n=2),
        ESTIMATED,
        "no_answer",
        RESERVED,
        sure=False,
    ),
    Case(
        "an answer came, so the count of bytes can't be right",
        end(200, tx=0, rx=40),
        request(200, u=FIGURES),
        SETTLED,
        "usage",
        USED,
    ),
    Case("hung up on", end(0), request(0, "DC"), ESTIMATED, "client_disconnect", RESERVED),
    Case("hung", end(0), request(504, "UT"), ESTIMATED, "timeout", RESERVED),
    Case("hung, and tried elsewhere", end(0, "UT"), None, ESTIMATED, "timeout", RESERVED),
    Case("cut before an answer", end(0, "UC"), None, ESTIMATED, "upstream_cut", RESERVED),
    Case("answer cut", end(200), request(200, "DC"), ESTIMATED, "client_disconnect", RESERVED),
    Case(
        "closed by the gateway itself",
        end(200),
        request(200, "DC", c="downstream_local_disconnect(drained)"),
        ESTIMATED,
        "gateway_closed",
        RESERVED,
    ),
    Case("answered without figures", end(200), request(200), ESTIMATED, "no_usage", RESERVED),
    Case(
        "figures that are none",
        end(200),
        request(200, u='{"prompt_tokens":-1,"completion_tokens":1e18}'),
        ESTIMATED,
        "bad_usage",
        RESERVED,
    ),
    Case(
        "figures without output",
        end(200),
        request(200, u='{"prompt_tokens":7}'),
        ESTIMATED,
        "bad_usage",
        RESERVED,
    ),
    Case(
        "stream left by its reader",
        end(200),
        request(200, "DC", ev=17),
        ESTIMATED,
        "client_disconnect",
        Usage(input=1_000, output=17),
        intent=STREAM,
    ),
    Case(
        "stream cut by the provider after more events than were reserved",
        end(200, "UC"),
        request(200, "UC", ev=9_999),
        ESTIMATED,
        "upstream_cut",
        RESERVED,
        intent=STREAM,
    ),
    Case(
        "stream that never began",
        end(0, "UT"),
        None,
        ESTIMATED,
        "timeout",
        Usage(input=1_000),
        intent=STREAM,
    ),
    Case(
        "answered, and the record with the figures is lost",
        end(200),
        None,
        ESTIMATED,
        "record_lost",
        RESERVED,
        sure=False,
        intent=STREAM,
    ),
    Case("no record at all", None, None, UNKNOWN, "no_record", RESERVED, sure=False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(case: Case) -> None:
    """State, reason and tokens are what the records prove, and no record is waited for in vain."""
    row = outcome_of(case.intent, case.attempt, case.request)

    assert (row.state, row.reason, row.usage) == (case.state, case.reason, case.usage)
    assert conclusive(case.intent, case.attempt, case.request) is case.sure


def test_cost_follows_the_rates_of_the_intent() -> None:
    """Settled rows cost what their tokens cost by kind; an error costs nothing."""
    figures = FIGURES.replace("}", ',"prompt_tokens_details":{"cached_tokens":300}}')
    row = outcome_of(UNARY, end(200), request(200, u=figures))

    assert row.cost == 500 * 2_500_000 + 300 * 250_000 + 200 * 10_000_000
    assert outcome_of(UNARY, end(500), None).cost == 0


def test_reservation_is_charged_whole_where_nothing_is_known() -> None:
    """An attempt without any record costs what it had reserved."""
    row = outcome_of(UNARY, None, None, lost="envoy_died")

    assert (row.cost, row.reason, row.ended_at) == (UNARY.cost_bound, "envoy_died", UNARY.deadline)


def test_stream_estimate_costs_no_more_than_its_reservation() -> None:
    """An estimate by events is priced by the rates and bounded by what was reserved."""
    cut = outcome_of(STREAM, end(200), request(200, "DC", ev=17))

    assert cut.cost == 1_000 * 2_500_000 + 17 * 10_000_000
    tight = intent(stream=True, cost_bound=7)
    assert outcome_of(tight, end(200), request(200, "DC", ev=17)).cost == 7


def test_times_come_from_the_records() -> None:
    """The end is the attempt's own, and never before its admission."""
    late = end(200, t=START / 1000 + 1, d=250)
    row = outcome_of(UNARY, late, request(200, u=FIGURES))

    assert (row.ended_at, row.duration_ms, row.first_byte_ms) == (START + 1_250, 250, 5)
    early = end(200, t=1.0, d=1)
    assert outcome_of(UNARY, early, request(200, u=FIGURES)).ended_at == START


def test_what_never_left_did_not_end_after_it_was_admitted() -> None:
    """A call whose caller had gone before it was admitted has no record with a time."""
    row = outcome_of(UNARY, None, RequestEnd(id="s", n=0))

    assert (row.state, row.ended_at) == (VOID, START)


FLEX = (1_250_000, 125_000, 5_000_000, 1_250_000, 20_000_000, 40_000_000, 0)
FAST = (5_000_000, 500_000, 20_000_000, 5_000_000, 80_000_000, 160_000_000, 0)
TIERED = intent(tiers=(("flex", FLEX), ("priority", FAST)), cost_bound=60_000_000_000)
STANDARD_COST = 800 * 2_500_000 + 200 * 10_000_000


@pytest.mark.parametrize(
    ("tier", "times", "source", "reason"),
    [
        ('"default"', 1, "", "usage"),
        ('"flex"', 0.5, "#flex", "usage"),
        ('"priority"', 2, "#priority", "usage"),
        ('"scale"', 2, "#scale~priority", "unknown_tier"),
        ("null", 1, "", "usage"),
        ("7", 1, "", "usage"),
    ],
)
def test_the_service_tier_of_the_answer_decides_the_price(
    tier: str, times: float, source: str, reason: str
) -> None:
    """The row names it beside the price's source; one without a price costs the dearest."""
    row = outcome_of(TIERED, None, request(200, u=f'{{"service_tier":{tier},{FIGURES[1:]}'))

    assert (row.state, row.reason, row.usage) == (SETTLED, reason, USED)
    assert row.cost == times * STANDARD_COST
    assert row.price_source == f"PriceBook/list/gpt-5-mini{source}"


def test_without_figures_the_dearest_tier_that_may_serve_is_charged() -> None:
    """A stream by its events, a call that is lost by its reservation; each says which tier."""
    stream = outcome_of(replace(TIERED, stream=True), end(200), request(200, "DC", ev=10))
    lost = outcome_of(TIERED, None, None)

    assert stream.cost == 1_000 * 5_000_000 + 10 * 20_000_000
    assert stream.price_source == "PriceBook/list/gpt-5-mini#priority"
    assert (lost.state, lost.cost) == (UNKNOWN, TIERED.cost_bound)
    assert lost.price_source == stream.price_source
