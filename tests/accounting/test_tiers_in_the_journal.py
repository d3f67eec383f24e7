"""Service tiers and keys in the journal's lines, and lines from before there were any."""

from accounting.samples import RATES, intent, row

from bailiwick_sidecar.accounting import lines
from bailiwick_sidecar.accounting.lines import Memory, decode
from bailiwick_sidecar.accounting.model import Intent, Row


def replayed(*raw: bytes) -> list[Intent | Row | None]:
    memory = Memory()
    said = [decode(one) for one in raw]
    return [memory.take(line) for line in said if line is not None]


def test_tiers_come_back_as_they_were_written() -> None:
    """Of an intent what it may be charged by, of a row what it was."""
    fast = (2**70, *RATES[1:])
    asked = intent(service_tier="flex", tiers=(("flex", RATES), ("priority", fast)))
    ended = row(intent=asked, service_tier="scale~priority")

    _, opened, settled = replayed(
        lines.context_line(1, asked), lines.intent_line(1, asked), lines.outcome_line(ended)
    )

    assert opened == asked
    assert settled == ended
    assert settled.price_source == "PriceBook/list/gpt-5-mini#scale~priority"


def test_contexts_differ_by_what_is_asked_for() -> None:
    """One line is not shared by calls of different tiers."""
    plain, flex = intent(), intent(service_tier="flex", tiers=(("flex", RATES),))

    assert lines.context_of(plain) != lines.context_of(flex)


def test_the_key_of_each_attempt_comes_back() -> None:
    """Also of two that differ in nothing but the version of their key."""
    first = intent("a", provider_key="secret/llm/acme#k@1", provider_key_id="key_1")
    second = intent("b", provider_key="secret/llm/acme#k@2")
    assert lines.context_of(first) != lines.context_of(second)

    said = replayed(
        lines.context_line(1, first), lines.intent_line(1, first),
        lines.context_line(2, second), lines.intent_line(2, second),
        lines.outcome_line(row("a", intent=first)), lines.outcome_line(row("b", intent=second)),
    )  # fmt: skip

    assert [one.intent for one in said[4:] if isinstance(one, Row)] == [first, second]


def test_lines_from_before_there_were_tiers_are_read() -> None:
    """Members that were added later are absent there."""
    _, opened, settled = replayed(
        b'["c",1,"search","","chat","premium","cc","b","P/p","m","fast","chat","book",'
        b'[1,1,2,1,1,2,0],"http"]',
        b'["i","s",1,1,"alice",7,60,false,10,5,20,[],false]',
        b'["o","s",1,"settled","usage",9,200,12,2,1,[8,2]]',
    )

    assert isinstance(opened, Intent)
    assert (opened.service_tier, opened.tiers) == ("", ())
    assert (opened.provider_key, opened.provider_key_id) == ("", "")
    assert isinstance(settled, Row)
    assert (settled.service_tier, settled.price_source, settled.cost) == ("", "book", 12)
