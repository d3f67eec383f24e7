"""Calls whose answers have no figures by nature: they cost their price per request, no estimate."""

import pytest
from accounting.samples import START, intent

from bailiwick_sidecar.accounting.lines import Memory, context_line, decode, intent_line
from bailiwick_sidecar.accounting.model import RowState, Usage
from bailiwick_sidecar.accounting.outcome import conclusive, outcome_of
from bailiwick_sidecar.accounting.records import AttemptEnd, RequestEnd

EACH = 4 * 10**10
FLAT = intent(
    operation="image_generation", flat=True, output_bound=0, rates=(0, 0, 0, 0, 0, 0, EACH),
    cost_bound=EACH,
)  # fmt: skip
ATTEMPT = AttemptEnd(id="s", n=1, s=200, tx=100, rx=100, t=START / 1000, d=10)


def request(usage: str | None = None, flags: str = "-") -> RequestEnd:
    return RequestEnd(id="s", n=1, s=200, c="via_upstream", t=START / 1000, d=10, u=usage, f=flags)


@pytest.mark.parametrize("flags", ["-", "DC"])
def test_an_answer_without_figures_costs_its_price(flags: str) -> None:
    """Settled, also where the caller left in the middle of it."""
    row = outcome_of(FLAT, ATTEMPT, request(flags=flags))

    assert (row.state, row.reason, row.cost, row.usage) == (
        RowState.SETTLED, "flat", EACH, Usage(),
    )  # fmt: skip
    assert conclusive(FLAT, None, request())


def test_figures_count_where_there_are_any() -> None:
    """A provider may say usage all the same."""
    row = outcome_of(FLAT, ATTEMPT, request('{"input_tokens":5,"output_tokens":7}'))

    assert (row.reason, row.usage) == ("usage", Usage(input=5, output=7))


@pytest.mark.parametrize(
    ("attempt", "state", "cost"),
    [
        (AttemptEnd(id="s", n=1, s=500, tx=100, rx=10), RowState.SETTLED, 0),
        (AttemptEnd(id="s", n=1, s=0, tx=0, rx=0, f="UF"), RowState.VOID, 0),
        (AttemptEnd(id="s", n=1, s=0, tx=100, rx=0, f="UT"), RowState.ESTIMATED, EACH),
    ],
)
def test_other_ends_are_as_ever(attempt: AttemptEnd, state: RowState, cost: int) -> None:
    """Refused, never sent, or sent without an answer."""
    end = RequestEnd(id="s", n=1, s=503, c="x", f=attempt.f)

    row = outcome_of(FLAT, attempt, end)

    assert (row.state, row.cost) == (state, cost)


@pytest.mark.parametrize("flat", [True, False])
def test_the_journal_remembers(*, flat: bool) -> None:
    """After a restart it is still known."""
    wanted = intent(flat=flat)
    memory = Memory()
    for raw in (context_line(1, wanted), intent_line(1, wanted)):
        line = decode(raw.rstrip())
        assert line is not None
        found = memory.take(line)

    assert found == wanted


def test_an_older_journal_is_read() -> None:
    """A line without the member means what it meant."""
    raw = intent_line(1, intent()).replace(b",false]", b"]")
    memory = Memory()
    context = decode(context_line(1, intent()))
    line = decode(raw)
    assert context is not None
    assert line is not None
    memory.take(context)

    assert memory.take(line) == intent()
