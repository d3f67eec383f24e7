"""What pods say of keys becomes conditions of exactly the routes that need them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from bailiwick_contract.v1.config_stream_pb2 import Ack, KeyState, PodIdentity
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status
from bailiwick_operator.keystates import of_namespaces, of_route
from bailiwick_operator.publish.acks import PodAck, read_ack
from bailiwick_sidecar.config.status import Status as AgentStatus
from bailiwick_sidecar.config.stream import acknowledgement
from bailiwick_sidecar.keyring import KeyFact, KeyTrouble
from bailiwick_sidecar.secrets import KeyRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def provider(name: str) -> dict[str, Any]:
    credential = {"type": "TYPE_VAULT", "mount": "secret", "path": f"llm/{name}", "key": "k"}
    return {"name": name, "credential": credential}


CONFIG = ParseDict(
    {
        "providers": [
            provider("a"),
            provider("b"),
            {"name": "open", "credential": {"type": "TYPE_NONE"}},
        ],
        "routes": [
            {
                "name": "both",
                "backends": [
                    {"name": "first", "provider": "a"},
                    {"name": "second", "provider": "open"},
                ],
            },
            {"name": "other", "backends": [{"name": "only", "provider": "b"}]},
        ],
    },
    TenantConfig(),
)


def fact(name: str, trouble: KeyTrouble, reason: str = "r") -> KeyFact:
    return KeyFact(KeyRef("secret", f"llm/{name}", "k"), trouble, reason, "2025-12-31", "words")


def said(*facts: KeyFact, pod: str = "pod-a") -> PodAck:
    """The facts as they come through the stream."""
    status = AgentStatus(
        pid=1, desired="d", acked="d", sequence=7, error="", ready=True, reasons=(), warnings=(),
        keys=facts,
    )  # fmt: skip
    word = acknowledgement(status, digest="d", pod=PodIdentity(name=pod))
    return read_ack(Ack.FromString(word.SerializeToString()), pod=pod)


def accepted(status: Status = Status.TRUE, reason: Reason = Reason.ACCEPTED) -> Condition:
    return Condition(ConditionType.ACCEPTED, status, reason, "Accepted.", 3, NOW)


def judged(route: str, *acks: PodAck) -> dict[str, Condition]:
    found = of_route(route, CONFIG, acks, accepted=accepted(), now=NOW)
    return {one.type.value: one for one in found}


def test_a_missing_key_refuses_the_route_that_needs_it_and_no_other() -> None:
    """The message has the backend, the pod's words, and who serves meanwhile."""
    ack = said(fact("a", KeyTrouble.MISSING))
    both, other = judged("both", ack), judged("other", ack)

    assert (both["Accepted"].status, both["Accepted"].reason) == (Status.FALSE, Reason.KEY_MISSING)
    assert both["Accepted"].message == "backend first: words. Meanwhile second serves."
    assert both["Degraded"].status is Status.FALSE
    assert other["Accepted"] == accepted()
    assert other["Degraded"].reason is Reason.HEALTHY


@pytest.mark.parametrize(
    ("trouble", "reason", "shown"),
    [
        (KeyTrouble.REVOKED, "CredentialRevoked", Reason.CREDENTIAL_REVOKED),
        (KeyTrouble.KEPT, "VaultSealed", Reason.VAULT_SEALED),
        (KeyTrouble.KEPT, "made up by a pod", Reason.VAULT_UNREACHABLE),
        (KeyTrouble.UNAVAILABLE, "VaultSlow", Reason.VAULT_SLOW),
        (KeyTrouble.UNAVAILABLE, "Accepted", Reason.KEY_UNAVAILABLE),
        (KeyTrouble.AGING, "KeyAging", Reason.KEY_AGING),
        (KeyTrouble.TOO_OLD, "KeyTooOld", Reason.KEY_TOO_OLD),
    ],
)
def test_every_other_trouble_is_degraded_with_reason_and_since(
    trouble: KeyTrouble, reason: str, shown: Reason
) -> None:
    """A reason that a pod makes up is not taken over."""
    found = judged("other", said(fact("b", trouble, reason), pod="pod-b"))

    assert found["Accepted"].status is Status.TRUE
    assert (found["Degraded"].status, found["Degraded"].reason) == (Status.TRUE, shown)
    assert found["Degraded"].message == "backend only: words (since 2025-12-31, says pod-b)."


def test_the_worst_of_several_gives_the_reason() -> None:
    """All are told, once each, however many pods say so."""
    ack = said(fact("b", KeyTrouble.AGING), fact("b", KeyTrouble.KEPT, "VaultSealed"))
    found = judged("other", ack, said(fact("b", KeyTrouble.AGING), pod="pod-b"))

    assert found["Degraded"].reason is Reason.VAULT_SEALED
    assert found["Degraded"].message.count("words") == 2


def test_the_tenant_hears_of_every_key_of_every_namespace() -> None:
    """Also of one that no route needs; once for all pods; a missing one is no news here."""
    acks = {
        "prod": [
            said(fact("b", KeyTrouble.AGING)),
            said(fact("b", KeyTrouble.AGING), pod="pod-b"),
            said(fact("a", KeyTrouble.MISSING)),
        ],
        "dev": [said(fact("store", KeyTrouble.KEPT, "VaultSealed"))],
    }
    found = of_namespaces(acks, accepted=accepted(), now=NOW)
    healthy = of_namespaces({"prod": acks["prod"][2:]}, accepted=accepted(), now=NOW)

    assert (found.status, found.reason) == (Status.TRUE, Reason.VAULT_SEALED)
    assert found.message == (
        "namespace dev: words (since 2025-12-31, says pod-a);"
        " namespace prod: words (since 2025-12-31, says pod-a)."
    )
    assert (healthy.status, healthy.reason) == (Status.FALSE, Reason.HEALTHY)


def test_a_route_that_was_refused_keeps_its_own_reason() -> None:
    """The compiler's word stands."""
    mine = accepted(Status.FALSE, Reason.REF_NOT_FOUND)
    found = of_route("both", CONFIG, [said(fact("a", KeyTrouble.MISSING))], accepted=mine, now=NOW)

    assert found[0] == mine


def test_every_trouble_has_a_state_of_its_own() -> None:
    """What the agent can say, the operator hears."""
    states = {said(fact("b", trouble)).keys[0].state for trouble in KeyTrouble}

    assert len(states) == len(KeyTrouble)
    assert KeyState.STATE_UNSPECIFIED not in states
