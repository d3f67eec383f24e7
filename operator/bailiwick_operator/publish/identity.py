"""Which gateway pod is calling: decided by its token alone."""

from dataclasses import dataclass

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.kube.model import TokenReviewer
from bailiwick_operator.secret import Secret

POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
LONGEST_TOKEN = 16 * 1024


class UnauthenticatedError(BailiwickError):
    """The token is missing, malformed, expired, for another audience, or its pod is gone."""


class NotAGatewayError(BailiwickError):
    """The token is good, but not that of a gateway pod."""


@dataclass(frozen=True, slots=True)
class GatewayPod:
    """A live gateway pod, as the API server vouches for it."""

    namespace: str
    name: str
    uid: str


async def identify(
    authorization: str, *, reviewer: TokenReviewer, audience: str, service_account: str
) -> GatewayPod:
    """Return the pod that the token in an `authorization` value is bound to.

    The API server refuses a token whose pod or account is gone (KEP-1205, bound tokens), so a
    review that names a pod means a live one. Raises UnauthenticatedError where the token does
    not hold, NotAGatewayError where it is not exactly the gateway's account or not bound to a
    pod, and KubeError where the API server can't say.
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "bearer" or not value or len(value) > LONGEST_TOKEN:
        raise UnauthenticatedError(
            "the call has no bearer token: mount a projected service-account token and send it"
            " as `authorization: Bearer …`"
        )
    review = await reviewer.review_token(Secret(value), audience=audience)
    if not review.authenticated or audience not in review.audiences:
        raise UnauthenticatedError(
            f"the token does not hold for audience {audience!r}: it is expired, for another"
            " audience, or its pod is gone"
        )
    parts = review.username.split(":")
    name, uid = review.extra.get(POD_NAME, ()), review.extra.get(POD_UID, ())
    match parts:
        case ["system", "serviceaccount", namespace, account] if account == service_account:
            if len(name) == 1 and len(uid) == 1 and namespace:
                return GatewayPod(namespace=namespace, name=name[0], uid=uid[0])
            raise NotAGatewayError(
                f"the token of {review.username} is not bound to a pod: use a projected token"
            )
        case _:
            raise NotAGatewayError(
                f"{review.username} is not a gateway: only the pods of service account"
                f" {service_account} are let in"
            )
