"""What a call settles at is never above what was reserved, whatever kinds of token it used."""

import json

from admission.test_operations import ask, intent
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bailiwick_sidecar.accounting.model import RowState
from bailiwick_sidecar.accounting.outcome import outcome_of
from bailiwick_sidecar.accounting.records import RequestEnd

PRICE = st.integers(0, 10**8).map(lambda micro: f"{micro / 10**6:.6f}")
RATES = st.fixed_dictionaries(
    {"input_per_million": PRICE, "output_per_million": PRICE},
    optional={
        "cached_input_per_million": PRICE,
        "cache_write_per_million": PRICE,
        "input_audio_per_million": PRICE,
        "output_audio_per_million": PRICE,
        "per_request": PRICE,
    },
)
PART = st.integers(0, 2000)


TIERS = st.dictionaries(st.sampled_from(["flex", "priority", "scale"]), RATES)
USED = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(rates=RATES, tiers=TIERS, asked=st.sampled_from(["", "auto", "default", "flex"]), used=USED)
def test_in_every_service_tier_that_may_serve_the_call(
    rates: dict[str, str], tiers: dict[str, dict[str, str]], asked: str, used: tuple[float, float]
) -> None:
    """Also in one without a price where the provider chooses, and where the answer names none."""
    said = {"service_tier": asked} if asked else {}
    reserved = intent(ask("/v1/chat/completions", **said), tiers=tiers, **rates)
    usage = {
        "prompt_tokens": int(reserved.input_bound * used[0]),
        "completion_tokens": int(reserved.output_bound * used[1]),
    }
    answers = ["", "default", *(("turbo", *tiers) if asked in ("", "auto") else {asked})]
    for answer in answers:
        figures = json.dumps({"service_tier": answer, **usage})
        for stream, u in ((False, figures), (True, figures), (False, None), (True, None)):
            row = outcome_of(
                replace(reserved, stream=stream),
                None,
                RequestEnd(id="id", n=1, s=200, c="via_upstream", u=u, ev=10**6),
            )
            assert 0 <= row.cost <= reserved.cost_bound, (answer, stream, u)


@given(
    rates=RATES,
    n=st.integers(1, 128),
    most=st.integers(1, 1000),
    used=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    parts=st.tuples(PART, PART, PART, PART, PART),
)
def test_whatever_a_provider_says_within_the_bounds(
    rates: dict[str, str],
    n: int,
    most: int,
    used: tuple[float, float],
    parts: tuple[int, int, int, int, int],
) -> None:
    """With `n` choices, cached, written, audio and reasoning tokens, also parts that can't be."""
    reserved = intent(ask("/v1/chat/completions", n=n, max_completion_tokens=most), **rates)
    cached, written, heard, spoken, thought = parts
    usage = {
        "prompt_tokens": int(reserved.input_bound * used[0]),
        "completion_tokens": int(reserved.output_bound * used[1]),
        "prompt_tokens_details": {
            "cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": heard,
        },
        "completion_tokens_details": {"audio_tokens": spoken, "reasoning_tokens": thought},
    }  # fmt: skip
    assert reserved.output_bound == n * most
    row = outcome_of(
        reserved, None, RequestEnd(id="id", n=1, s=200, c="via_upstream", u=json.dumps(usage))
    )

    assert row.state is RowState.SETTLED
    assert row.usage.total == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 <= row.cost <= reserved.cost_bound
