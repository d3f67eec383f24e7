"""Every reason for which this gateway answers an error itself: one table, OpenAI's shape.

Status codes are chosen by what OpenAI clients do with them: they retry 408, 409, 429 and 5xx by
themselves, so nothing that can never succeed is given one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.admission.answer import Answer, Headers


@dataclass(frozen=True, slots=True)
class Code:
    """A stable `code` with what goes with it. `template` is filled by the place that refuses."""

    status: int
    type: str
    template: str


INVALID: Final = "invalid_request_error"
PERMISSION: Final = "permission_error"
SERVER: Final = "api_error"

CODES: Final[Mapping[str, Code]] = {
    # Who calls
    "invalid_api_key": Code(
        401,
        INVALID,
        "The token was accepted but its claims cannot be read: {reason}. Ask your identity"
        " provider for a JSON Web Token with a JSON object as its payload.",
    ),
    "issuer_not_trusted": Code(
        403,
        PERMISSION,
        "No issuer of this tenant has iss {issuer} and one of the token's audiences. Use a token"
        " from one of the tenant's issuers.",
    ),
    "claim_mismatch": Code(
        403,
        PERMISSION,
        "Claim {claim} of the token does not have the value that this tenant requires. Use a"
        " token that was issued for this tenant.",
    ),
    "claim_invalid": Code(
        403,
        PERMISSION,
        "Claim {claim} of the token must be a string of at most {limit} printable characters.",
    ),
    "claim_missing": Code(
        403,
        PERMISSION,
        "Claim {claim} of the token is missing or empty: it names the user. Use a token that has"
        " it.",
    ),
    "team_not_listed": Code(
        403,
        PERMISSION,
        "Team {team} (from {where}) is not listed for this tenant. Ask the platform"
        " team to add it to spec.teams of the Tenant.",
    ),
    "project_not_listed": Code(
        403,
        PERMISSION,
        "Project {project} (from {where}) is not listed for team {team}. Ask the"
        " platform team to add it to the team's projects.",
    ),
    "service_account_not_bound": Code(
        403,
        PERMISSION,
        "Service account {subject} is bound to no team. Ask the platform team to add it to"
        " spec.callers.serviceAccounts.bindings of the Tenant.",
    ),
    "tenant_denied": Code(403, PERMISSION, "This gateway refuses every call: {reason}."),
    # What is asked
    "invalid_json": Code(
        400, INVALID, "The body cannot be read: {reason}. Send one JSON object as UTF-8."
    ),
    "invalid_type": Code(400, INVALID, "{param} must be {expected}."),
    "invalid_value": Code(400, INVALID, "{param} must be {expected}."),
    "missing_required_parameter": Code(400, INVALID, "{param} is missing: it must be {expected}."),
    "unsupported_parameter": Code(400, INVALID, "{param} is not supported here: {reason}."),
    "conflicting_parameters": Code(
        400, INVALID, "max_tokens and max_completion_tokens differ: send only one of them."
    ),
    "unknown_tag": Code(
        400, INVALID, "Tag {tag} is not one that this tenant declares. Allowed: {allowed}."
    ),
    "invalid_tag": Code(
        400,
        INVALID,
        "Tag {tag} is not usable: {reason}.",
    ),
    "input_unbounded": Code(
        400,
        INVALID,
        "The input holds something whose token count its size does not bound (an image, audio or"
        " a file), and no backend of {model} declares a context window to reserve instead.",
    ),
    "model_not_found": Code(
        404,
        INVALID,
        "The model {model} does not exist here. GET /v1/models lists what you may use.",
    ),
    "model_not_allowed": Code(
        403,
        PERMISSION,
        "Team {team} may not use the model {model}. GET /v1/models lists what you may use.",
    ),
    "model_unpriced": Code(
        403,
        PERMISSION,
        "No backend of {model} has a price, and money is limited for this call. Ask the platform"
        " team for a price, or to set spec.unpricedModels of the Tenant to Allow.",
    ),
    "not_found": Code(404, INVALID, "There is nothing at {path}."),
    "idempotency_in_flight": Code(
        409,
        INVALID,
        "A call with this {param} is under way. Send it again in a second: it will be answered once"
        " that call is.",
    ),
    "idempotency_mismatch": Code(
        422,
        INVALID,
        "This {param} came with another call before: path, body or tags differ. Use a new key for a"
        " new call.",
    ),
    "idempotency_not_replayable": Code(
        422,
        INVALID,
        "The call with this {param} was made, and its answer is not kept: it was a stream, too"
        " large, cut off, an hour ago, or before a restart. Use a new key to call again.",
    ),
    "retry_budget_exhausted": Code(
        503,
        SERVER,
        "The attempts so far failed (tried: {tried}), and the route has made as many further ones"
        " in the last minute as its retryBudget allows. Try again later.",
    ),
    # Limits
    "rate_limit_exceeded": Code(429, "requests", "{detail}"),
    "insufficient_quota": Code(429, "insufficient_quota", "{detail}"),
    "request_exceeds_limit": Code(400, INVALID, "{detail}"),
    # This gateway
    "credential_unavailable": Code(
        503,
        SERVER,
        "The gateway has no key for any provider of {model} right now. Try again shortly; if it"
        " lasts, ask the platform team to look at the gateway's readiness.",
    ),
    "credential_revoked": Code(
        503,
        SERVER,
        "The key for the provider of {model} was withdrawn from this gateway. Ask the platform team"
        " to look at the tenant's role and policy in Vault.",
    ),
    "credential_rejected": Code(
        503,
        SERVER,
        "The provider of {model} does not accept the gateway's key, and there is no newer one. Ask"
        " the platform team to rotate it.",
    ),
    "route_not_ready": Code(
        503, SERVER, "The model {model} is being set up in this gateway. Try again in a second."
    ),
    "accounting_unavailable": Code(
        503,
        SERVER,
        "The gateway cannot write its journal, and nothing leaves unaccounted. Try again shortly.",
    ),
    "quota_store_unavailable": Code(
        503,
        SERVER,
        "The gateway cannot reach the store in which the tenant's limits are counted, and refuses"
        " calls until it can. Try again shortly.",
    ),
    "gateway_unavailable": Code(
        503, SERVER, "The gateway is starting or has just restarted. Try again in a second."
    ),
    "request_too_large": Code(
        413, INVALID, "The request's {part} is larger than {limit} bytes allow."
    ),
    "gateway_error": Code(
        500, SERVER, "The gateway failed on this request. Its log names the request's id."
    ),
}

PROXY_CODES: Final[Mapping[str, tuple[int, str]]] = {
    "invalid_request": (400, INVALID),
    "request_timeout": (408, INVALID),
    "unsupported_media_type": (415, INVALID),
    "upstream_unavailable": (503, SERVER),
    "upstream_timeout": (504, SERVER),
}
"""Status and type of what Envoy and its scripts answer by themselves, beside codes of the above."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal as the caller will see it. `retry_after` is whole seconds."""

    code: str
    message: str
    param: str | None = None
    type: str | None = None
    retry_after: int | None = None
    limit: Mapping[str, object] | None = None
    headers: Headers = ()

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the code."""
        return CODES[self.code].status

    def answer(self) -> Answer:
        """The refusal as an answer with OpenAI's error object."""
        error: dict[str, object] = {
            "message": self.message,
            "type": self.type or CODES[self.code].type,
            "param": self.param,
            "code": self.code,
        }
        if self.limit is not None:
            error["limit"] = self.limit
        headers: list[tuple[str, str]] = [("content-type", "application/json")]
        if self.retry_after is not None:
            headers.append(("retry-after", str(self.retry_after)))
        headers += self.headers
        return Answer(self.status, tuple(headers), orjson.dumps({"error": error}))


class RefusedError(BailiwickError):
    """A call is refused; `refusal` says how."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refused(
    code: str,
    *,
    param: str | None = None,
    retry_after: int | None = None,
    **fields: object,
) -> RefusedError:
    """The exception for a code, its message filled from `fields` (and `param`)."""
    message = CODES[code].template.format(param=param, **fields)
    return RefusedError(Refusal(code, message, param=param, retry_after=retry_after))


def shown(value: object, limit: int = 64) -> str:
    """A caller's own value as it may stand in a message: quoted, one line, cut."""
    text = orjson.dumps(value if isinstance(value, str) else str(value), default=str).decode()
    return text if len(text) <= limit else f'{text[: limit - 1]}…"'
