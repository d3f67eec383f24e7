"""`/admit` and `/attempt` from request to answer, over the real engine."""

import asyncio
import json
import re
from typing import Any

import pytest
from admission.acme import (
    NOW,
    Admission,
    Keys,
    acked,
    backend,
    claims,
    config,
    error,
    keyed,
    limit,
    payload,
    provider,
)

from bailiwick_contract.v1.tenant_config_pb2 import Route
from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.reserve import Reserver
from bailiwick_sidecar.admission.tables import Tables, live, tables
from bailiwick_sidecar.names import backend_code, route_code
from bailiwick_sidecar.quota.memory import MemoryStore
from bailiwick_sidecar.quota.model import Amounts, Denial, Grant, Reservation

A, B = backend_code("fast", "a"), backend_code("fast", "b")
SUPPORT = claims(team_id="support", ctx=None)


def with_limits(*limits: dict[str, Any], **changes: Any) -> Admission:
    return Admission(config(limits=list(limits), **changes))


def headers(answer: Answer) -> dict[str, str]:
    found = dict(answer.headers)
    assert len(found) == len(answer.headers), "a header came twice"
    return found


def test_an_admitted_call_gets_its_plan_and_leaves_an_intent() -> None:
    """The answer says all that the proxy needs, and the intent all that the ledger will."""
    admission = with_limits(limit("Quota/t#tpm", "TOKENS_PER_MINUTE", 10_000))
    said = headers(
        asyncio.run(
            admission.admit(
                "s-1", stream=True, n=2, max_tokens=9000, metadata={"feature_name": "x"}
            )
        )
    )

    assert re.fullmatch("[0-9a-f]{32}", said.pop("x-bw-endpoint"))
    limits = {name: said.pop(name) for name in tuple(said) if name.startswith("x-ratelimit-")}
    assert said == {
        "x-bw-route": f"{route_code('fast')}-s",
        "x-bw-plan": f"{A},{B}",
        "x-bw-names": "a, b",
        "x-bw-model": '"a-model"',
        "x-bw-credential-header": "authorization",
        "x-bw-credential": "Bearer sk-a",
        "x-bw-edit-cap": "max_tokens=4096",
        "x-bw-edit-usage": "hide",
        "x-bw-edit-drop": "metadata",
    }
    assert limits == {
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": str(10000 - 100 - 2 * 4096),
        "x-ratelimit-reset-tokens": "1m0s",
    }
    intent = admission.accounts.intents[0]
    assert (intent.input_bound, intent.output_bound) == (100, 2 * 4096)
    assert intent.cost_bound == 100 * 10**6 + 2 * 4096 * 2 * 10**6
    assert (intent.caller.team, intent.caller.user, intent.cost_center) == (
        "search",
        "alice",
        "4711",
    )
    assert (intent.alias, intent.model, intent.backend) == ("fast", "a-model", "a")
    assert intent.tags == (("feature_name", "x"),)
    assert intent.deadline == NOW + 600_000 + 30_000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # What is reserved, and the events without content that each choice and the stream have.
        ({"stream": True, "max_tokens": 50}, "54"),
        ({"stream": True, "max_tokens": 50, "n": 3}, "158"),
        ({"max_tokens": 50}, None),
    ],
)
def test_a_stream_of_a_route_that_cuts_says_where(
    body: dict[str, Any], expected: str | None
) -> None:
    """After more events than it may have had tokens; only streams, and only where asked for."""
    said = config()
    plain = headers(asyncio.run(Admission(said).admit("s-1", **body)))
    said.routes[0].on_exceed = Route.ON_EXCEED_CUT
    cutting = headers(asyncio.run(Admission(said).admit("s-1", **body)))

    assert "x-bw-cut" not in plain
    assert cutting.get("x-bw-cut") == expected


def test_answers_carry_the_tightest_limits() -> None:
    """Of several limits of a kind the fullest is shown, on success and on refusal alike."""
    admission = with_limits(
        limit("Quota/a#rpm", "REQUESTS_PER_MINUTE", 10),
        limit("Quota/b#rps", "REQUESTS_PER_SECOND", 50),
        limit("Quota/c#tpm", "TOKENS_PER_MINUTE", 3000),
        limit("Quota/d#tpm", "TOKENS_PER_MINUTE", 10, mode="MODE_SHADOW"),
    )
    first = headers(asyncio.run(admission.admit("s-1")))
    second = headers(asyncio.run(admission.admit("s-2", max_tokens=1700)))
    refused = asyncio.run(admission.admit("s-3"))

    assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"]) == (
        "10",
        "9",
    )
    assert first["x-ratelimit-limit-tokens"] == "3000"
    assert second["x-ratelimit-remaining-tokens"] == str(3000 - (100 + 1024) - (100 + 1700))
    assert refused.status == 429
    assert {"retry-after", "x-ratelimit-limit-tokens"} <= set(headers(refused))


@pytest.mark.parametrize(
    ("rule", "code", "type_", "status"),
    [
        (limit("Quota/q#x", "REQUESTS_PER_SECOND", 1), "rate_limit_exceeded", "requests", 429),
        (limit("Quota/q#x", "REQUESTS_PER_MINUTE", 1), "rate_limit_exceeded", "requests", 429),
        (limit("Quota/q#x", "TOKENS_PER_MINUTE", 1200), "rate_limit_exceeded", "tokens", 429),
        (limit("Quota/q#x", "CONCURRENT_REQUESTS", 1), "rate_limit_exceeded", "requests", 429),
        (
            limit("Quota/q#x", "TOKENS_PER_MONTH", 1200),
            "insufficient_quota",
            "insufficient_quota",
            429,
        ),
        (
            limit("Quota/q#x", "BUDGET_DAY", money="0.003"),
            "insufficient_quota",
            "insufficient_quota",
            429,
        ),
        (
            limit("Quota/q#x", "BUDGET_MONTH", money="0.003"),
            "insufficient_quota",
            "insufficient_quota",
            429,
        ),
        (
            limit("Quota/q#x", "TOKENS_PER_MINUTE", 500),
            "request_exceeds_limit",
            "invalid_request_error",
            400,
        ),
        (
            limit("Quota/q#x", "BUDGET_DAY", money="0.0001"),
            "request_exceeds_limit",
            "invalid_request_error",
            400,
        ),
        (limit("Quota/q#x", "REQUESTS_PER_MINUTE", 0), "rate_limit_exceeded", "requests", 429),
    ],
)
def test_a_refusal_names_the_limit_and_when_to_come_back(
    rule: dict[str, Any], code: str, type_: str, status: int
) -> None:
    """Each kind has its code; what can never fit is 400, which no client retries by itself."""
    admission = with_limits(rule)
    asyncio.run(admission.admit("s-1"))
    answer = asyncio.run(admission.admit("s-2"))
    why = error(answer)

    assert (answer.status, why["code"], why["type"]) == (status, code, type_)
    assert why["limit"]["id"] == "Quota/q#x"
    assert "Quota/q#x" in why["message"]
    if status == 429:
        assert int(headers(answer)["retry-after"]) >= 1
    else:
        assert "retry-after" not in headers(answer)
        assert len(admission.accounts.intents) == 0
    assert admission.counted.refusals[-1] == (code, "search", "Quota/q#x")


def test_a_refusal_rests_on_no_record_that_is_still_under_way() -> None:
    """Before refusing, the books catch up; what an ended call gave back counts."""
    admission = with_limits(limit("Quota/q#c", "CONCURRENT_REQUESTS", 1))
    asyncio.run(admission.admit("s-1"))
    admission.accounts.on_catch_up = lambda: (
        admission.engine.settle(("s-1", 1), Amounts(10, 10), NOW),
        None,
    )[1]

    assert asyncio.run(admission.admit("s-2")).status == 200


def test_the_intent_names_the_moment_at_which_the_counters_took_it() -> None:
    """A call that waited for records is admitted after the wait, in books and counters alike."""
    admission = with_limits(limit("Quota/t#rps", "REQUESTS_PER_SECOND", 1))

    async def calls() -> tuple[Answer, Answer]:
        first = await admission.admit("s-1")
        admission.now += 990
        admission.accounts.on_catch_up = lambda: setattr(admission, "now", NOW + 1_000)
        return first, await admission.admit("s-2")

    assert [answer.status for answer in asyncio.run(calls())] == [200, 200]
    assert [intent.admitted_at for intent in admission.accounts.intents] == [NOW, NOW + 1_000]


def test_the_intent_names_the_moment_at_which_a_shared_store_granted_it() -> None:
    """Counters that ask others take their time: the books say when they granted it."""
    admission = with_limits(limit("Quota/t#rps", "REQUESTS_PER_SECOND", 1))

    class Slow(MemoryStore):
        async def reserve(self, reservation: Reservation, now: int) -> Grant | Denial:
            admission.now += 700
            return await super().reserve(reservation, admission.now)

    admission.gate.reserver = Reserver(
        store=Slow(admission.engine), accounts=admission.accounts, clock=lambda: admission.now
    )
    assert asyncio.run(admission.admit("s-1")).status == 200
    assert [intent.admitted_at for intent in admission.accounts.intents] == [NOW + 700]


def test_an_unwritable_journal_refuses_and_keeps_nothing() -> None:
    """Without an intent on disk nothing leaves, and the reservation is given back."""
    admission = with_limits(limit("Quota/q#tpm", "TOKENS_PER_MINUTE", 5000))
    admission.accounts.writable = False
    answer = asyncio.run(admission.admit("s-1"))

    assert (answer.status, error(answer)["code"]) == (503, "accounting_unavailable")
    assert [state.used for state in admission.engine.all_states(NOW)] == [0]
    assert headers(answer)["retry-after"] == "1"


def test_a_further_attempt_has_its_own_model_key_and_cap() -> None:
    """The second backend's own, nothing of the first's; its reservation takes over the lease."""
    admission = with_limits(limit("Quota/q#c", "CONCURRENT_REQUESTS", 1))
    asyncio.run(admission.admit("s-1", max_completion_tokens=4000))
    answer = asyncio.run(admission.attempt("s-1", 2, B))

    said = headers(answer)
    assert said.pop("x-bw-endpoint")
    assert (answer.status, said) == (
        200,
        {"x-bw-model": '"b-model"', "x-bw-edit-cap": "max_completion_tokens=2048"},
    )
    assert admission.accounts.waited == [("s-1", 1)]
    second = admission.accounts.intents[1]
    assert (second.key, second.backend, second.output_bound) == (("s-1", 2), "b", 2048)


def test_what_nobody_hears_of_is_given_back() -> None:
    """Envoy died with its question on the way: without an answer no attempt can leave."""
    admission = Admission()

    async def asked(path: str, *, gone: bool, **headers: str) -> int:
        body = {"path": "/v1/chat/completions", "size": 9, "opaque": False, "model": "fast"}
        request = Request(
            "POST",
            path,
            {"x-bw-id": "s-1", "x-bw-jwt": payload(claims()), **headers},
            json.dumps(body).encode(),
            lambda: gone,
        )
        return (await admission.front(request)).status

    assert asyncio.run(asked("/admit", gone=False)) == 200
    assert admission.accounts.abandoned == []
    further = {"x-bw-attempt": "2", "x-bw-backend": B}
    assert asyncio.run(asked("/attempt", gone=True, **further)) == 200
    assert admission.accounts.abandoned == [("s-1", 2)]
    assert asyncio.run(asked("/admit", gone=True)) == 200
    assert admission.accounts.abandoned == [("s-1", 2), ("s-1", 1)]


@pytest.mark.parametrize(
    ("stream", "number", "code", "status", "why"),
    [
        ("s-9", 2, B, 503, "gateway_unavailable"),
        ("s-1", 2, backend_code("smart", "b"), 503, "route_not_ready"),
        ("s-1", 2, "", 503, "route_not_ready"),
        ("s-1", 1, B, 400, "invalid_json"),
        ("s-1", 6, B, 400, "invalid_json"),
        ("", 2, B, 400, "invalid_json"),
    ],
)
def test_attempts_outside_the_plan_get_nothing(
    stream: str, number: int, code: str, status: int, why: str
) -> None:
    """No key for a call that is not known, for another call's backend, or for a bad number."""
    admission = Admission()
    asyncio.run(admission.admit("s-1"))
    answer = asyncio.run(admission.attempt(stream, number, code))

    assert (answer.status, error(answer)["code"]) == (status, why)
    assert len(admission.accounts.intents) == 1


def test_a_backend_that_moved_during_a_call_gets_no_key() -> None:
    """A code that means another endpoint by now is refused: the key would go to a stranger."""
    admission = Admission(
        config(
            providers=[
                provider("P/a", credential=keyed("llm/acme/a")),
                provider("P/b", credential=keyed("llm/acme/b")),
            ]
        ),
        keys=Keys(a="sk-a", b="sk-b"),
    )
    asyncio.run(admission.admit("s-1"))
    admission.gate.tables = acked(
        config(
            providers=[
                provider("P/a", credential=keyed("llm/acme/a")),
                provider("P/b", host="elsewhere", credential=keyed("llm/acme/b")),
            ]
        )
    )
    answer = asyncio.run(admission.attempt("s-1", 2, B))

    assert error(answer)["code"] == "route_not_ready"
    assert b"sk-" not in answer.body


def moved(host: str) -> Tables:
    """Tables of a config whose only route goes to this host."""
    one = {"name": "k", "aliases": ["fast"], "backends": [backend("a", "P/a")]}
    return tables(config(providers=[provider("P/a", host=host)], routes=[one]))


def test_a_call_waits_until_envoy_has_an_edit_of_its_route() -> None:
    """It goes to the new endpoint once that is acknowledged, and is not refused meanwhile."""
    old, new = moved("old.example"), moved("new.example")
    admission = Admission()
    admission.gate.tables = live(new, old, awaited=True)

    async def scenario() -> Answer:
        call = asyncio.create_task(admission.admit("s-1"))
        await asyncio.sleep(0.03)
        assert not call.done()
        admission.gate.tables = live(new, new)
        return await call

    said = headers(asyncio.run(scenario()))

    assert said["x-bw-endpoint"] == new.ways["fast"].places[0].fingerprint
    assert said["x-bw-endpoint"] != old.ways["fast"].places[0].fingerprint


def test_a_refused_edit_leaves_the_old_endpoint() -> None:
    """Where Envoy said no there is nothing to wait for: calls go where they went."""
    old, new = moved("old.example"), moved("new.example")
    admission = Admission()
    admission.gate.tables = live(new, old, awaited=False)

    said = headers(asyncio.run(admission.admit("s-1")))

    assert said["x-bw-endpoint"] == old.ways["fast"].places[0].fingerprint


def test_a_backend_without_its_key_is_left_out() -> None:
    """The fallback serves; where no backend has its key the call is refused before it counts."""
    admission = Admission(keys=Keys())
    assert headers(asyncio.run(admission.admit("s-1")))["x-bw-plan"] == B

    alone = Admission(
        config(
            routes=[{"name": "k", "aliases": ["fast"], "backends": [backend("a", "P/a")]}],
            limits=[limit("Quota/q#rpm", "REQUESTS_PER_MINUTE", 9)],
        ),
        keys=Keys(),
    )
    refused = asyncio.run(alone.admit("s-2"))
    assert (refused.status, error(refused)["code"]) == (503, "credential_unavailable")
    assert [state.used for state in alone.engine.all_states(NOW)] == []


def test_an_unpriced_model_is_refused_only_where_money_is_limited() -> None:
    """Deny closes it under an enforced budget; without one, in shadow, or with Allow it serves."""
    routes = [{"name": "u", "aliases": ["fast"], "backends": [backend("b", "P/b", prices=[])]}]
    budget = limit("Quota/q#b", "BUDGET_MONTH", money="5")
    shadow = {**budget, "mode": "MODE_SHADOW"}
    allow = "UNPRICED_MODELS_ALLOW"
    answers = [
        asyncio.run(Admission(config(routes=routes, **said)).admit())
        for said in (
            {"limits": [budget]},
            {"limits": [budget], "unpricedModels": "UNPRICED_MODELS_UNSPECIFIED"},
            {"limits": [shadow]},
            {},
            {"limits": [budget], "unpricedModels": allow},
        )
    ]

    assert [answer.status for answer in answers] == [403, 403, 200, 200, 200]
    assert error(answers[0])["code"] == "model_unpriced"


def test_an_opaque_input_reserves_the_window_or_is_refused() -> None:
    """An image's tokens are not bounded by its bytes."""
    window = [
        {"name": "w", "aliases": ["fast"], "backends": [backend("b", "P/b", contextWindow=8000)]}
    ]
    known = Admission(config(routes=window))
    assert asyncio.run(known.admit(opaque=True)).status == 200
    assert known.accounts.intents[0].input_bound == 8000
    refused = asyncio.run(Admission().admit(opaque=True))

    assert (refused.status, error(refused)["code"]) == (400, "input_unbounded")


def test_a_tenant_that_leaves_is_refused_with_its_reason() -> None:
    """deny_reason closes everything at once."""
    admission = Admission(config(denyReason="namespace acme-prod belongs to another tenant"))
    answers = [asyncio.run(admission.admit()), asyncio.run(admission.get("/v1/models"))]

    assert [(answer.status, error(answer)["code"]) for answer in answers] == [
        (403, "tenant_denied")
    ] * 2
    assert "belongs to another tenant" in error(answers[0])["message"]


def test_without_a_config_while_draining_or_without_a_needed_ledger_calls_are_refused() -> None:
    """503 with Retry-After, never a guess."""
    bare, draining = Admission(), Admission()
    bare.gate.tables = None
    draining.gate.draining = True
    strict = Admission(config(onOutage={"ledger": "LEDGER_DENY"}))
    strict.gate.ledger_failing = lambda: True
    lenient = Admission(config(onOutage={"ledger": "LEDGER_ALLOW"}))
    lenient.gate.ledger_failing = lambda: True
    answers = [asyncio.run(one.admit()) for one in (bare, draining, strict, lenient)]

    assert [answer.status for answer in answers] == [503, 503, 503, 200]
    assert error(answers[2])["code"] == "accounting_unavailable"


def test_models_lists_what_the_team_may_use() -> None:
    """OpenAI's list shape, aliases sorted, nothing of other teams'."""
    admission = Admission()
    ids = [
        [model["id"] for model in json.loads(answer.body)["data"]]
        for answer in (
            asyncio.run(admission.get("/v1/models")),
            asyncio.run(admission.get("/v1/models", SUPPORT)),
        )
    ]

    assert ids == [["default", "fast", "smart"], ["default", "fast"]]


def test_usage_shows_the_callers_own_limits() -> None:
    """Figures, unit, what is left and when it resets; nobody else's counters."""
    admission = with_limits(
        limit("Quota/u#rpm", "REQUESTS_PER_MINUTE", 10, each=["DIMENSION_USER"]),
        limit("Quota/b#month", "BUDGET_MONTH", money="5.00"),
        limit("Quota/s#tpm", "TOKENS_PER_MINUTE", 5, subject={"team": "support"}),
    )
    asyncio.run(admission.admit("s-1"))
    asyncio.run(admission.admit("s-2", who=claims(sub="bob")))
    said = json.loads(asyncio.run(admission.get("/v1/usage")).body)

    assert said["caller"]["user"] == "alice"
    budget, requests = said["data"]
    assert (requests["id"], requests["limit"], requests["used"], requests["remaining"]) == (
        "Quota/u#rpm",
        10,
        1,
        9,
    )
    assert requests["subject"] == {"user": "alice"}
    assert (budget["unit"], budget["limit"], budget["mode"]) == ("USD", "5.00", "Enforce")
    assert budget["resets_at"].startswith("2026-10-01T00:00:00")


@pytest.mark.parametrize("model", ["", "Fast", " fast", "fast\x00", "x" * 10_000])
def test_a_name_that_is_no_alias_is_404(model: str) -> None:
    """Only the exact alias is the model; the message shows the name, cut."""
    answer = asyncio.run(Admission().admit(model=model))

    assert (answer.status, error(answer)["code"]) == (404, "model_not_found")
    assert len(answer.body) < 400


def test_other_paths_are_404() -> None:
    """Nothing else is here."""
    answer = asyncio.run(Admission().get("/v1/files"))

    assert (answer.status, error(answer)["code"]) == (404, "not_found")
