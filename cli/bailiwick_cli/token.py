"""`bailiwick token`: a development token on stdout, doubts on stderr."""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick_cli.console import warn
from bailiwick_cli.datadir import prepare
from bailiwick_cli.errors import CommandError
from bailiwick_cli.issuer import AUDIENCE, service_account_claims, signing_key, user_claims

UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 366 * 86400
DEFAULT_USER = "developer"


class TokenRequestError(CommandError):
    """The options ask for a token that can't be."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What was asked for: a user of a team, or a service account."""

    tenant: str
    team: str | None
    project: str | None
    user: str | None
    service_account: str | None
    ttl: str


def issue(request: TokenRequest, *, data_dir: Path) -> None:
    """The token is on stdout, alone on its line.

    Raises:
        TokenRequestError: options that do not go together, or a time that is none.
        DataDirError, SigningKeyError: there is no key to sign with.
    """
    data = prepare(data_dir)
    served = data.served() or {}
    claims = claims_of(request, now=int(time.time()), audience=account_audience(request, served))
    doubt = doubts(request, served, where=data.root)
    if doubt is not None:
        warn(doubt)
    sys.stdout.write(signing_key(data).sign(claims) + "\n")


def account_audience(request: TokenRequest, served: Mapping[str, Any]) -> str:
    """What the tenant's gateways want in a service account's `aud`, as far as `up` said."""
    tenant = served.get("tenants", {}).get(request.tenant, {})
    return str(tenant.get("serviceAccountAudience") or AUDIENCE)


def claims_of(request: TokenRequest, *, now: int, audience: str = AUDIENCE) -> dict[str, object]:
    """The claims that the request asks for; `now` in seconds since the epoch.

    `audience` is for a service account's token.

    Raises:
        TokenRequestError: options that do not go together, or a time that is none.
    """
    ttl = seconds(request.ttl)
    if request.service_account is not None:
        if request.team or request.project or request.user:
            raise TokenRequestError(
                "--service-account goes without --team, --project and --user: "
                "the Tenant's binding says what a service account is"
            )
        namespace, slash, name = request.service_account.partition("/")
        if not (namespace and slash and name) or "/" in name:
            raise TokenRequestError(
                f"--service-account {request.service_account!r} is not NAMESPACE/NAME: "
                "write it like acme-prod/ranking-api"
            )
        return service_account_claims(
            namespace=namespace, name=name, audience=audience, now=now, ttl=ttl
        )
    if not request.team:
        raise TokenRequestError(
            "a token needs a team: add --team NAME (or --service-account NAMESPACE/NAME)"
        )
    return user_claims(
        tenant=request.tenant,
        team=request.team,
        project=request.project,
        user=request.user or DEFAULT_USER,
        now=now,
        ttl=ttl,
    )


def seconds(ttl: str) -> int:
    """Seconds of a duration such as 30s, 15m, 1h, 7d or 1h30m.

    Raises:
        TokenRequestError: it is none, or longer than a year.
    """
    parts = re.findall(r"(\d+)([smhd])", ttl)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != ttl:
        raise TokenRequestError(f"--ttl {ttl!r} is no duration: write it like 30s, 15m, 1h or 7d")
    total = sum(int(number) * UNIT_S[unit] for number, unit in parts)
    if not 0 < total <= LONGEST_S:
        raise TokenRequestError(f"--ttl {ttl!r} is out of range: more than 0s, at most 366d")
    return total


def doubts(request: TokenRequest, served: Mapping[str, Any], *, where: Path) -> str | None:
    """Why what `up` served last from `where` would refuse the token; None where it would not."""
    tenants: Mapping[str, Any] = served.get("tenants", {})
    if not tenants:
        return None
    known = tenants.get(request.tenant)
    if known is None:
        return (
            f"`bailiwick up` on {where} serves no tenant {request.tenant!r} "
            f"(it serves {_listed(tenants)}): the gateway will refuse the call"
        )
    if request.service_account is not None:
        return _account_doubt(request, known["serviceAccounts"])
    return _team_doubt(request, known["teams"])


def _account_doubt(request: TokenRequest, bound: list[str]) -> str | None:
    if request.service_account in bound:
        return None
    return (
        f"tenant {request.tenant} binds no service account {request.service_account!r} "
        f"(it binds {_listed(bound)}): the gateway will refuse the call"
    )


def _team_doubt(request: TokenRequest, teams: dict[str, dict[str, list[str]]]) -> str | None:
    for name, about in teams.items():
        if request.team not in (about["claimValues"] or [name]):
            continue
        if request.project is None or request.project in about["projects"]:
            return None
        return (
            f"team {name} has no project {request.project!r} "
            f"(it has {_listed(about['projects'])}): the gateway will refuse the call"
        )
    return (
        f"tenant {request.tenant} has no team {request.team!r} (it has {_listed(teams)}): "
        "the gateway will refuse the call"
    )


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
