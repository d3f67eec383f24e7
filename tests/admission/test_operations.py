"""What each endpoint takes and refuses, and what it can cost at most."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bailiwick_contract.rating import PriceList
from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice, Rates, ServiceTier
from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.admit import cut, edits
from bailiwick_sidecar.admission.body import Ask, read
from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.operations.images import IMAGE_TOKENS
from bailiwick_sidecar.admission.reserve import Wanted
from bailiwick_sidecar.admission.tables import Place, Way

RESPONSES = "/v1/responses"
COMPLETIONS = "/v1/completions"
MODERATIONS = "/v1/moderations"
IMAGES = "/v1/images/generations"


def ask(path: str, **members: Any) -> Ask:
    said = {"path": path, "size": 100, "opaque": False, "model": "fast", **members}
    return read(json.dumps(said).encode(), allowed_tags=())


def intent(
    asked: Ask,
    *,
    max_output: int = 0,
    tiers: Mapping[str, Mapping[str, str]] | None = None,
    **rates: str,
) -> Intent:
    """What the call may take at a place with these prices."""
    others = [ServiceTier(name=name, rates=Rates(**said)) for name, said in (tiers or {}).items()]
    prices = (
        [DatedPrice(source="book", rates=Rates(**rates), service_tiers=others)] if rates else []
    )
    place = Place(
        code="c", name="a", provider="P/a", protocol="openai", model="m", model_json='"m"',
        tier="shared", weight=1, priority=0, max_output=max_output, context=0,
        prices=PriceList(prices), key=None, fingerprint="f",
    )  # fmt: skip
    way = Way(
        name="fast", code="r", aliases=("fast",), places=(place,), live=(place,), teams=None,
        max_attempts=1, max_output=0, default_output=0, request_ms=1000,
    )  # fmt: skip
    who = Identity("search", "", "u1", "")
    return Wanted(("id", 1), who, asked, way, place).intent(0)


@pytest.mark.parametrize(
    ("path", "members", "param"),
    [
        (RESPONSES, {"store": True}, "store"),
        (RESPONSES, {"background": True}, "background"),
        (RESPONSES, {"previous_response_id": "resp_1"}, "previous_response_id"),
        (RESPONSES, {"conversation": "conv_1"}, "conversation"),
        (RESPONSES, {"conversation": {"id": "conv_1"}}, "conversation"),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}, "prompt"),
        (RESPONSES, {"context_management": [{"type": "compaction"}]}, "context_management"),
        (
            RESPONSES,
            {"prompt_cache_options": {"comparison_response_id": "resp_1"}},
            "prompt_cache_options.comparison_response_id",
        ),
        (RESPONSES, {"foreign_items": True}, "input"),
        (RESPONSES, {"tools": ["web_search"]}, "tools"),
        (RESPONSES, {"tools": ["mcp"]}, "tools"),
        (RESPONSES, {"service_tier": ["flex"]}, "service_tier"),
        (COMPLETIONS, {"stream": True, "best_of": 2}, "best_of"),
        (COMPLETIONS, {"service_tier": "flex"}, "service_tier"),
        (MODERATIONS, {"stream": True}, "stream"),
        (IMAGES, {"stream": True}, "stream"),
        (IMAGES, {"partial_images": 2}, "partial_images"),
        (IMAGES, {"svg": {"model": "m"}}, "svg"),
        (IMAGES, {"frame_count": 4}, "frame_count"),
    ],
)
def test_what_would_be_kept_or_can_not_be_billed_is_refused(
    path: str, members: dict[str, Any], param: str
) -> None:
    """The code says that it is not supported, `param` what, and the message why."""
    with pytest.raises(RefusedError) as caught:
        ask(path, **members)

    refusal = caught.value.refusal
    assert (refusal.code, refusal.param, refusal.status) == ("unsupported_parameter", param, 400)
    assert len(refusal.message) > len(param) + 30


@pytest.mark.parametrize(
    ("path", "members", "code", "param"),
    [
        (RESPONSES, {"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
        (RESPONSES, {"max_output_tokens": "9"}, "invalid_type", "max_output_tokens"),
        (RESPONSES, {"store": "no"}, "invalid_type", "store"),
        (RESPONSES, {"model": None}, "missing_required_parameter", "model"),
        (COMPLETIONS, {"n": 0}, "invalid_value", "n"),
        (COMPLETIONS, {"n": 3, "best_of": 2}, "invalid_value", "best_of"),
        (COMPLETIONS, {"best_of": 1.5}, "invalid_type", "best_of"),
        (COMPLETIONS, {"max_tokens": 0}, "invalid_value", "max_tokens"),
        (COMPLETIONS, {"echo": 1}, "invalid_type", "echo"),
        (MODERATIONS, {"model": None}, "missing_required_parameter", "model"),
        (IMAGES, {"n": 129}, "invalid_value", "n"),
        (IMAGES, {"n": -1}, "invalid_value", "n"),
        (IMAGES, {"model": None}, "missing_required_parameter", "model"),
    ],
)
def test_mistakes_name_the_parameter(
    path: str, members: dict[str, Any], code: str, param: str
) -> None:
    """As for chat."""
    with pytest.raises(RefusedError) as caught:
        ask(path, **members)

    assert (caught.value.refusal.code, caught.value.refusal.param) == (code, param)


@pytest.mark.parametrize(
    ("store", "set_"),
    [({}, "store=false"), ({"store": None}, "store=false"), ({"store": False}, None)],
)
def test_a_provider_is_told_to_store_nothing(store: dict[str, Any], set_: str | None) -> None:
    """Left out or null, he would store."""
    assert dict(edits(ask(RESPONSES, **store), 0)).get("x-bw-edit-set") == set_


def test_a_response_stream_is_not_asked_for_usage() -> None:
    """Its last event has it anyway, and `include_usage` is not one of its members."""
    asked = ask(RESPONSES, stream=True)

    assert dict(edits(asked, 5)) == {
        "x-bw-edit-cap": "max_output_tokens=5", "x-bw-edit-set": "store=false"
    }  # fmt: skip
    assert dict(edits(ask(COMPLETIONS, stream=True), 0)) == {"x-bw-edit-usage": "hide"}


@pytest.mark.parametrize(
    ("members", "output"),
    [
        ({}, 16),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "n": 3}, 15),
        ({"max_tokens": 5, "n": 3, "best_of": 4}, 20),
        ({"max_tokens": 5, "n": 3, "prompts": 2}, 30),
        ({"max_tokens": 5, "echo": True}, 105),
        ({"max_tokens": 5, "echo": True, "n": 2}, 210),
    ],
)
def test_completions_reserve_all_that_may_be_made(members: dict[str, Any], output: int) -> None:
    """Each prompt, each candidate, and what comes back as an echo."""
    assert intent(ask(COMPLETIONS, **members)).output_bound == output


def test_a_response_reserves_its_cap() -> None:
    """As chat does with its own member."""
    asked = intent(ask(RESPONSES, max_output_tokens=50), output_per_million="2")

    assert (asked.operation, asked.output_bound, asked.cost_bound) == ("chat", 50, 50 * 2_000_000)


def test_moderations_cost_their_request() -> None:
    """No output, and no estimate where the answer has no figures."""
    asked = intent(ask(MODERATIONS, opaque=True), per_request="0.001")

    assert (asked.operation, asked.flat, asked.output_bound) == ("moderation", True, 0)
    assert asked.cost_bound == 10**9


@pytest.mark.parametrize(
    ("rates", "max_output", "output", "cost", "flat"),
    [
        ({"per_image": "0.04"}, 0, 0, 3 * 4 * 10**10, True),
        ({"per_image": "0.04", "per_request": "0.01"}, 0, 0, 13 * 10**10, True),
        ({"output_per_million": "40"}, 0, 3 * IMAGE_TOKENS, 3 * IMAGE_TOKENS * 40 * 10**6, False),
        (
            {"per_image": "0.04", "output_per_million": "40"},
            1000,
            3000,
            3 * 4 * 10**10 + 3000 * 40 * 10**6,
            True,
        ),
        ({"output_per_million": "40"}, 1000, 3000, 3000 * 40 * 10**6, False),
        ({}, 0, 3 * IMAGE_TOKENS, 0, True),
    ],
)
def test_images_reserve_each(
    rates: dict[str, str], max_output: int, output: int, cost: int, *, flat: bool
) -> None:
    """By the image where it has a price, else by the most tokens that one takes."""
    asked = intent(ask(IMAGES, n=3), max_output=max_output, **rates)

    assert (asked.output_bound, asked.cost_bound, asked.flat) == (output, cost, flat)
    assert asked.operation == "image_generation"


def test_the_background_of_an_image_is_no_call_in_the_background() -> None:
    """The same name means another thing there."""
    assert ask(IMAGES, background="transparent").what.images == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES, COMPLETIONS])
def test_every_stream_may_be_cut(path: str) -> None:
    """Where the route says so; what does not stream has nothing to cut."""
    way = Way(
        name="fast", code="r", aliases=("fast",), places=(), live=(), teams=None, max_attempts=1,
        max_output=0, default_output=0, request_ms=1000, cut=True,
    )  # fmt: skip
    cap = {RESPONSES: "max_output_tokens"}.get(path, "max_tokens")
    streamed, whole = ask(path, stream=True, **{cap: 9}), ask(path, **{cap: 9})

    assert cut(streamed, way, intent(streamed)) == (("x-bw-cut", "13"),)
    assert cut(whole, way, intent(whole)) == ()


PRICE = {"input_per_million": "1", "output_per_million": "2"}
TIERS = {
    "flex": {"input_per_million": "0.5", "output_per_million": "1"},
    "priority": {"input_per_million": "2", "output_per_million": "4"},
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES])
@pytest.mark.parametrize(
    ("members", "factor"),
    [
        ({}, 2),
        ({"service_tier": None}, 2),
        ({"service_tier": "auto"}, 2),
        ({"service_tier": "default"}, 1),
        ({"service_tier": "flex"}, 1),
        ({"service_tier": "priority"}, 2),
    ],
)
def test_the_dearest_tier_that_may_serve_is_reserved(
    path: str, members: dict[str, Any], factor: int
) -> None:
    """All where the provider chooses, else what is asked for and the standard one."""
    found = intent(ask(path, **members), tiers=TIERS, **PRICE)

    assert found.cost_bound == factor * intent(ask(path), **PRICE).cost_bound
    assert dict(found.tiers).keys() == TIERS.keys()


def test_what_knows_no_tiers_is_priced_without_them() -> None:
    """An endpoint without service tiers, and a place that prices none."""
    embedded = intent(ask("/v1/embeddings"), tiers=TIERS, **PRICE)
    plain = intent(ask("/v1/chat/completions", service_tier="default"), **PRICE)

    assert (embedded.tiers, embedded.cost_bound) == ((), 100 * 1_000_000)
    assert (plain.tiers, plain.service_tier) == ((), "")
