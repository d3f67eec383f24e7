"""Verified claims become a caller, or a refusal that says why."""

import json
from typing import Any

import pytest
from admission.acme import AUDIENCE, ISSUER, claims, config, payload

from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.identity import MAX_CACHED, Callers, Identity, pointed

CLUSTER = {"iss": "https://cluster.example", "aud": ["bailiwick"], "team_id": "support"}


def identify(said: object) -> Identity:
    return Callers(config()).identify(payload(said))


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        (claims(), Identity("search", "ranking", "alice", "4711")),
        (claims(aud=AUDIENCE), Identity("search", "ranking", "alice", "4711")),
        (claims(ctx=None), Identity("search", "", "alice", "4700")),
        (claims(ctx={"project": "lab"}), Identity("search", "lab", "alice", "4700")),
        (
            claims(team_id="7f3e", ctx={"project": "helpdesk"}),
            Identity("support", "helpdesk", "alice", "4712"),
        ),
        (
            {**CLUSTER, "sub": "system:serviceaccount:acme-prod:ranking-api"},
            Identity("search", "ranking", "acme-prod/ranking-api", "4711"),
        ),
    ],
    ids=["listed", "audience as text", "no project", "team's centre", "claim value", "account"],
)
def test_verified_claims_give_the_caller(said: dict[str, Any], identity: Identity) -> None:
    """Team, project, user and cost centre come from the mapped claims or the binding alone."""
    assert identify(said) == identity


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (claims(iss="https://evil.example"), "issuer_not_trusted"),
        (claims(iss=None), "issuer_not_trusted"),
        (claims(iss=[ISSUER]), "issuer_not_trusted"),
        (claims(aud="other"), "issuer_not_trusted"),
        (claims(aud=f"{AUDIENCE}.evil"), "issuer_not_trusted"),
        (claims(aud=[[AUDIENCE]]), "issuer_not_trusted"),
        (claims(aud=None), "issuer_not_trusted"),
        (claims(tenant_id="globex"), "claim_mismatch"),
        (claims(tenant_id="Acme"), "claim_mismatch"),
        (claims(tenant_id=["acme"]), "claim_mismatch"),
        (claims(tenant_id=None), "claim_mismatch"),
        (claims(team_id="finance"), "team_not_listed"),
        (claims(team_id=""), "team_not_listed"),
        (claims(team_id=None), "team_not_listed"),
        (claims(team_id=["search"]), "claim_invalid"),
        (claims(team_id=7), "claim_invalid"),
        (claims(ctx={"project": "secret"}), "project_not_listed"),
        (claims(ctx={"project": "helpdesk"}), "project_not_listed"),
        (claims(sub="u" * 257), "claim_invalid"),
        (claims(sub="a\nb"), "claim_invalid"),
        (claims(sub=None), "claim_missing"),
        (claims(sub=""), "claim_missing"),
        (CLUSTER, "service_account_not_bound"),
        (
            {**CLUSTER, "sub": "system:serviceaccount:other:ranking-api"},
            "service_account_not_bound",
        ),
        ({**CLUSTER, "sub": "system:serviceaccount:acme-prod:x"}, "service_account_not_bound"),
        (
            {**CLUSTER, "sub": "system:serviceaccount:acme-prod:ranking-api:x"},
            "service_account_not_bound",
        ),
        (
            {**CLUSTER, "sub": "xsystem:serviceaccount:acme-prod:ranking-api"},
            "service_account_not_bound",
        ),
        (["claims"], "invalid_api_key"),
    ],
)
def test_anything_else_is_refused(said: object, code: str) -> None:
    """What does not match exactly is nobody; the refusal says what to do."""
    with pytest.raises(RefusedError) as caught:
        identify(said)

    assert caught.value.refusal.code == code
    assert caught.value.refusal.status in {401, 403}


@pytest.mark.parametrize("text", ["", "%%%", "eyJ", "bm90IGpzb24", "€"])
def test_a_payload_that_is_none_is_401(text: str) -> None:
    """Bytes that are no claims identify nobody, and do not end in a failure of the agent."""
    with pytest.raises(RefusedError) as caught:
        Callers(config()).identify(text)

    assert caught.value.refusal.code == "invalid_api_key"


def test_payloads_that_begin_alike_are_different_callers() -> None:
    """The cache is by the whole payload: no caller is taken for another by a prefix."""
    callers = Callers(config())
    long = claims(pad="x" * 500)
    first = callers.identify(payload({**long, "sub": "alice"}))
    second = callers.identify(payload({**long, "sub": "mallory"}))

    assert (first.user, second.user) == ("alice", "mallory")
    assert callers.identify(payload({**long, "sub": "alice"})) is first


def test_the_cache_is_bounded() -> None:
    """However many tokens come, only so many are remembered."""
    callers = Callers(config())
    for number in range(MAX_CACHED + 10):
        callers.identify(payload(claims(sub=f"u{number}")))

    assert len(callers._cache) == MAX_CACHED


def test_json_pointers_reach_nested_claims() -> None:
    """RFC 6901: escapes, lists, and what is not there."""
    said = {"a/b": {"m~n": ["x", {"": "y"}]}, "plain": "z"}

    assert pointed(said, "/a~1b/m~0n/0") == "x"
    assert pointed(said, "/a~1b/m~0n/1/") == "y"
    assert pointed(said, "plain") == "z"
    assert json.dumps(pointed(said, "/plain")) == '"z"'
    for missing in ("/a~1b/m~0n/7", "/a~1b/m~0n/-", "/plain/x", "none"):
        assert pointed(said, missing) not in (None, "x", "y", "z")
