"""Verified claims → the caller, or why he is none.

Envoy has verified signature, audience, expiry and not-before of each request before its payload
comes here (RFC 7519); the cache below is of the payload's meaning alone.
"""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import orjson

from bailiwick_contract.v1.tenant_config_pb2 import Issuer, TenantConfig
from bailiwick_sidecar.admission.errors import Refusal, RefusedError, refused, shown

MAX_VALUE: Final = 256
"""Characters of a claim that becomes a counter's or a row's key."""
MAX_CACHED: Final = 4096
"""Payloads whose meaning is kept; a payload is about a kilobyte."""
SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_ABSENT: Final = object()

Claims = Mapping[str, object]


class Identity(msgspec.Struct, frozen=True):
    """Who calls, from verified claims only. Empty: the token says nothing of it."""

    team: str
    project: str
    user: str
    cost_center: str


class Callers:
    """The callers that one config trusts."""

    def __init__(self, config: TenantConfig) -> None:
        self._issuers = tuple(config.issuers)
        self._teams = {
            said: team.name for team in config.teams for said in (*team.claim_values, team.name)
        }
        # A name always means the team of that name, whatever another team lists as claim value.
        self._teams |= {team.name: team.name for team in config.teams}
        self._projects = {
            team.name: {project.name: project.cost_center for project in team.projects}
            for team in config.teams
        }
        self._cost_centers = {team.name: team.cost_center for team in config.teams}
        self._bound = {
            (binding.namespace, binding.service_account): binding
            for binding in config.service_accounts
        }
        self._cache: OrderedDict[str, Identity | Refusal] = OrderedDict()

    def identify(self, payload: str) -> Identity:
        """The caller of a verified payload (base64url, as Envoy forwards it).

        Raises:
            RefusedError: no issuer, claim, team, project or binding admits him.
        """
        known = self._cache.get(payload)
        if known is None:
            try:
                known = self._resolve(_claims(payload))
            except RefusedError as error:
                known = error.refusal
            self._cache[payload] = known
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(payload)
        if isinstance(known, Refusal):
            raise RefusedError(known)
        return known

    def _resolve(self, claims: Claims) -> Identity:
        issuer = self._issuer(claims)
        for required in issuer.required_claims:
            if pointed(claims, required.claim) != required.value:
                raise refused("claim_mismatch", claim=shown(required.claim))
        if issuer.kind == Issuer.KIND_SERVICE_ACCOUNT:
            return self._service_account(claims)
        return self._mapped(claims, issuer)

    def _issuer(self, claims: Claims) -> Issuer:
        said = claims.get("iss")
        audience = claims.get("aud")
        audiences = set(_strings(audience if isinstance(audience, list) else [audience]))
        for issuer in self._issuers:
            if issuer.issuer == said and not audiences.isdisjoint(issuer.audiences):
                return issuer
        raise refused("issuer_not_trusted", issuer=shown(said))

    def _service_account(self, claims: Claims) -> Identity:
        subject = claims.get("sub")
        parts = subject.split(":") if isinstance(subject, str) else []
        binding = (
            self._bound.get((parts[2], parts[3]))
            if len(parts) == 4 and str(subject).startswith(SERVICE_ACCOUNT)  # noqa: PLR2004 -- system:serviceaccount:NS:NAME has four parts
            else None
        )
        if binding is None:
            raise refused("service_account_not_bound", subject=shown(subject))
        where = f"binding {binding.name}"
        user = f"{binding.namespace}/{binding.service_account}"
        return self._listed(binding.team, binding.project, user, where=(where, where))

    def _mapped(self, claims: Claims, issuer: Issuer) -> Identity:
        mappings = issuer.claim_mappings
        said, user = _text(claims, mappings.team), _text(claims, mappings.user)
        if mappings.user and not user:
            # Whoever has no name would escape every limit that counts users one by one.
            raise refused("claim_missing", claim=shown(mappings.user))
        return self._listed(
            self._teams.get(said, said),
            _text(claims, mappings.project),
            user,
            where=(f"claim {mappings.team}", f"claim {mappings.project}"),
        )

    def _listed(self, team: str, project: str, user: str, *, where: tuple[str, str]) -> Identity:
        projects = self._projects.get(team)
        if projects is None:
            raise refused("team_not_listed", team=shown(team), where=where[0])
        if project and project not in projects:
            raise refused(
                "project_not_listed", project=shown(project), where=where[1], team=shown(team)
            )
        return Identity(
            team, project, user, projects.get(project) or self._cost_centers.get(team, "")
        )


def issuer_and_subject(payload: str) -> tuple[str, str]:
    """`iss` and `sub` of a verified payload; empty where they are no texts.

    Raises:
        RefusedError: it is no payload.
    """
    claims = _claims(payload)
    issuer, subject = claims.get("iss"), claims.get("sub")
    return (
        issuer if isinstance(issuer, str) else "",
        subject if isinstance(subject, str) else "",
    )


def pointed(claims: Claims, name: str) -> object:
    """The claim's value: a top-level name, or a JSON pointer (RFC 6901) where it begins with "/".

    An absent claim gives an object that is equal to nothing in JSON.
    """
    if not name.startswith("/"):
        return claims.get(name, _ABSENT)
    value: object = claims
    for token in name[1:].split("/"):
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(step, _ABSENT)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _ABSENT
    return value


def _text(claims: Claims, name: str) -> str:
    value = pointed(claims, name) if name else _ABSENT
    if value is _ABSENT or value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_VALUE or not value.isprintable():
        raise refused("claim_invalid", claim=shown(name), limit=MAX_VALUE)
    return value


def _strings(values: Iterable[object]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))


def _claims(payload: str) -> Claims:
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError) as error:
        raise refused("invalid_api_key", reason="the payload is no JSON") from error
    if not isinstance(claims, dict):
        raise refused("invalid_api_key", reason="the payload is no JSON object")
    return claims
