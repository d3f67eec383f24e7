"""Only a live gateway pod is a gateway, and its token alone says of which namespace."""

import asyncio
from collections.abc import Mapping

import pytest

from bailiwick_operator.kube.model import TokenReview
from bailiwick_operator.publish.identity import (
    POD_NAME,
    POD_UID,
    GatewayPod,
    NotAGatewayError,
    UnauthenticatedError,
    identify,
)
from bailiwick_operator.secret import Secret

BOUND: Mapping[str, tuple[str, ...]] = {POD_NAME: ("gw-1",), POD_UID: ("uid-1",)}
ACCOUNT = "system:serviceaccount:acme-prod:bailiwick-gateway"


class Reviewer:
    """Says the same of every token, and remembers that it was asked."""

    def __init__(self, review: TokenReview) -> None:
        self.review = review
        self.asked: list[tuple[str, str]] = []

    async def review_token(self, token: Secret, *, audience: str) -> TokenReview:
        self.asked.append((token.reveal(), audience))
        return self.review


def review(
    *,
    username: str = ACCOUNT,
    authenticated: bool = True,
    audiences: tuple[str, ...] = ("bw",),
    extra: Mapping[str, tuple[str, ...]] = BOUND,
) -> TokenReview:
    return TokenReview(
        authenticated=authenticated, username=username, audiences=audiences, extra=extra
    )


def call(said: TokenReview, authorization: str = "Bearer abc") -> GatewayPod:
    reviewer = Reviewer(said)
    return asyncio.run(
        identify(
            authorization,
            reviewer=reviewer,
            audience="bw",
            service_account="bailiwick-gateway",
        )
    )


def test_a_live_gateway_pod_is_known_by_its_token() -> None:
    """Namespace, name and UID are those that the API server vouches for."""
    assert call(review()) == GatewayPod(namespace="acme-prod", name="gw-1", uid="uid-1")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_without_a_bearer_token_nobody_is_asked(authorization: str) -> None:
    """A call without a token is refused before the API server is troubled."""
    reviewer = Reviewer(review())

    with pytest.raises(UnauthenticatedError, match="bearer token"):
        asyncio.run(identify(authorization, reviewer=reviewer, audience="bw", service_account="x"))

    assert reviewer.asked == []


def test_an_endless_token_is_not_passed_on() -> None:
    """A token of a size that no token has is refused here."""
    with pytest.raises(UnauthenticatedError):
        call(review(), "Bearer " + "x" * 20_000)


@pytest.mark.parametrize(
    "said",
    [review(authenticated=False), review(audiences=()), review(audiences=("other",))],
    ids=["not authenticated", "no audience", "another audience"],
)
def test_a_token_that_does_not_hold_is_unauthenticated(said: TokenReview) -> None:
    """Expired, for something else, or its pod is gone: the API server says no."""
    with pytest.raises(UnauthenticatedError):
        call(said)


@pytest.mark.parametrize(
    "username",
    [
        "system:serviceaccount:acme-prod:default",
        "system:serviceaccount:acme-prod:bailiwick-gateway:x",
        "system:serviceaccount::bailiwick-gateway",
        "system:serviceaccount:bailiwick-gateway",
        "system:node:bailiwick-gateway",
        "bailiwick-gateway",
        "x:serviceaccount:acme-prod:bailiwick-gateway",
        "",
    ],
)
def test_any_other_account_is_not_a_gateway(username: str) -> None:
    """Exactly the gateway's account, in whatever namespace, and nothing that looks like it."""
    with pytest.raises(NotAGatewayError):
        call(review(username=username))


@pytest.mark.parametrize(
    "extra",
    [{}, {POD_NAME: ("gw-1",)}, {POD_UID: ("uid-1",)}, {POD_NAME: ("a", "b"), POD_UID: ("c",)}],
)
def test_a_token_without_a_pod_is_not_a_gateway(extra: Mapping[str, tuple[str, ...]]) -> None:
    """A token that was requested by hand, bound to nothing, receives no config."""
    with pytest.raises(NotAGatewayError, match="not bound to a pod"):
        call(review(extra=extra))
