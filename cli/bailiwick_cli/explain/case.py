"""What would become of a call, worked out from a compiled config alone. Pure.

It asks the agent's own functions: tables, price list, bounds, and which limits apply to a caller.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bailiwick_cli.explain.facts import Asked, Backend, Explanation, Limit, Obstacle
from bailiwick_cli.explain.limits import Met, applied
from bailiwick_contract.money import decimal_string
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.body import read
from bailiwick_sidecar.admission.errors import CODES
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.operations import OPERATIONS
from bailiwick_sidecar.admission.reserve import Wanted
from bailiwick_sidecar.admission.tables import Place, Tables, Way, live, tables
from bailiwick_sidecar.quota.limits import CompiledLimits

PER_MILLION: Final = 10**6
USED_UP: Final = frozenset({"tokensPerMonth", "budgetDay", "budgetMonth"})
"""Kinds of limits that a gateway refuses with `insufficient_quota`."""
GRAVITY: Final = ("model_not_allowed", "route_not_ready", "model_unpriced")
"""Why backends are left out, in the order in which a gateway looks: the last decides."""


def explain(config: TenantConfig, asked: Asked, *, now: int) -> Explanation:
    """What would become of the call at `now` (ms since the epoch).

    Raises:
        BailiwickError: the config is none that an agent could serve, or the call can't be read.
    """
    return _Case(config, asked, now).explanation()


class _Case:
    """One question to one config."""

    def __init__(self, config: TenantConfig, asked: Asked, now: int) -> None:
        self.config, self.asked, self.now = config, asked, now
        compiled = tables(config)
        # As if Envoy had acknowledged all of it.
        self.tables: Tables = live(compiled, compiled)
        self.limits = CompiledLimits.of(config.limits)
        self.regions = {provider.name: provider.region for provider in config.providers}
        self.refused: list[Obstacle] = []

    def explanation(self) -> Explanation:
        identity = self._identity()
        way = self.tables.ways.get(self.asked.model)
        if self.tables.deny_reason:
            self._refuse(
                "tenant_denied", "see the Tenant's conditions", reason=self.config.deny_reason
            )
        if way is None:
            self._refuse("model_not_found", self._other_names(), model=json.dumps(self.asked.model))
            return self._nothing(identity)
        self._check_route(way, identity.team)
        wanted = {place.code: self._wanted(way, place, identity) for place in way.live}
        intents = {code: one.intent(self.now) for code, one in wanted.items()}
        ordered = sorted(way.live, key=lambda place: (place.priority, -place.weight, place.name))
        left_out = {place.code: self._left_out(place, wanted[place.code]) for place in ordered}
        usable = [place for place in ordered if left_out[place.code] is None]
        if not usable:
            self._nowhere(way, [why for why in left_out.values() if why is not None])
        limits = self._limits(usable or ordered, wanted, intents)
        for limit in limits:
            self._check_fit(limit)
        costs = sorted((intents[place.code].cost_bound for place in usable), reverse=True)
        return Explanation(
            tenant=self.config.tenant,
            namespace=self.config.namespace,
            currency=self.config.currency,
            asked=self.asked,
            cost_center=identity.cost_center,
            route=way.name,
            max_attempts=way.max_attempts,
            output_tokens=max((intents[place.code].output_bound for place in ordered), default=0),
            backends=tuple(
                self._backend(place, intents[place.code], left_out[place.code], usable)
                for place in ordered
            ),
            limits=limits,
            worst_cost=decimal_string(sum(costs[: way.max_attempts])),
            refused=tuple(self.refused),
        )

    def _nothing(self, identity: Identity) -> Explanation:
        return Explanation(
            tenant=self.config.tenant,
            namespace=self.config.namespace,
            currency=self.config.currency,
            asked=self.asked,
            cost_center=identity.cost_center,
            route="",
            max_attempts=0,
            output_tokens=0,
            backends=(),
            limits=(),
            worst_cost=decimal_string(0),
            refused=tuple(self.refused),
        )

    # --- who calls, and what for ---

    def _identity(self) -> Identity:
        """The caller as his token would make him; what is not listed is refused."""
        asked = self.asked
        tenant = self.config.tenant
        team = next(
            (
                team
                for team in self.config.teams
                if asked.team == team.name or asked.team in team.claim_values
            ),
            None,
        )
        if team is None:
            known = _listed(one.name for one in self.config.teams)
            self._refuse(
                "team_not_listed",
                f"add it to spec.teams of Tenant {tenant}, or use one of: {known}",
                team=json.dumps(asked.team),
                where="--team",
            )
            return Identity(asked.team, asked.project, asked.user, "")
        projects = {project.name: project.cost_center for project in team.projects}
        if asked.project and asked.project not in projects:
            self._refuse(
                "project_not_listed",
                f"add it to the projects of team {team.name} in spec.teams of Tenant {tenant}, "
                f"or use one of: {_listed(projects)}",
                project=json.dumps(asked.project),
                where="--project",
                team=json.dumps(team.name),
            )
        center = projects.get(asked.project) or team.cost_center
        return Identity(team.name, asked.project, asked.user, center)

    def _other_names(self) -> str:
        return (
            f"add {self.asked.model} to spec.aliases of a ModelRoute in namespace "
            f"{self.config.namespace}, or call one of: {_listed(self.tables.ways)}"
        )

    def _check_route(self, way: Way, team: str) -> None:
        if way.teams is not None and team not in way.teams:
            self._refuse(
                "model_not_allowed",
                f"add {team} to spec.teams of ModelRoute {way.name}, which lists "
                f"{_listed(way.teams)}",
                team=json.dumps(team),
                model=json.dumps(self.asked.model),
            )

    def _wanted(self, way: Way, place: Place, identity: Identity) -> Wanted:
        operation = OPERATIONS[f"/v1/{self.asked.endpoint}"]
        said: dict[str, object] = {
            "path": operation.path,
            "size": self.asked.size,
            "opaque": False,
            "model": self.asked.model,
            "n": self.asked.count,
        }
        if self.asked.tokens is not None:
            said[operation.read({}).cap_field] = self.asked.tokens
        ask = read(json.dumps(said).encode(), allowed_tags=())
        return Wanted(("explained", 1), identity, ask, way, place)

    # --- backends ---

    def _left_out(self, place: Place, wanted: Wanted) -> Obstacle | None:
        team, tenant = wanted.identity.team, self.config.tenant
        if not self.tables.tier_open(place.tier, team):
            return obstacle(
                "model_not_allowed",
                f"list tier {place.tier} in spec.modelAccess of Tenant {tenant} for team {team}, "
                "or give the backend a model of a tier that is open",
                team=json.dumps(team),
                model=json.dumps(self.asked.model),
            )
        if not place.weight:
            return obstacle(
                "route_not_ready",
                f"give backend {place.name} of ModelRoute {wanted.way.name} a weight above 0",
                model=json.dumps(self.asked.model),
            )
        unpriced = self.tables.unpriced_denied and place.prices.at(self.now) is None
        if unpriced and self.limits.counts_money(wanted.caller):
            provider = place.provider.rpartition("/")[2]
            return obstacle(
                "model_unpriced",
                f"add a price to model {place.model} of {place.provider}, or an entry to a "
                f"PriceBook (provider {provider}, model {place.model}), or set spec.unpricedModels "
                f"of Tenant {tenant} to Allow",
                model=json.dumps(self.asked.model),
            )
        return None

    def _nowhere(self, way: Way, reasons: Sequence[Obstacle]) -> None:
        """No backend is left; what stands in the way of the last ones is what the caller reads."""
        if any(refusal.code == "model_not_allowed" for refusal in self.refused):
            return
        if reasons:
            last = max(reasons, key=lambda reason: GRAVITY.index(reason.code))
            self.refused.append(last)
        else:
            self._refuse(
                "route_not_ready",
                f"give ModelRoute {way.name} a backend",
                model=json.dumps(self.asked.model),
            )

    def _backend(
        self, place: Place, intent: Intent, why: Obstacle | None, usable: Sequence[Place]
    ) -> Backend:
        peers = sum(other.weight for other in usable if other.priority == place.priority)
        priced = bool(intent.price_source)
        return Backend(
            name=place.name,
            provider=place.provider,
            model=place.model,
            tier=place.tier,
            region=self.regions[place.provider],
            priority=place.priority,
            weight=place.weight,
            share=round(100 * place.weight / peers, 1) if peers and why is None else 0.0,
            credential=f"{place.key.mount}/{place.key.path}#{place.key.field}" if place.key else "",
            price_source=intent.price_source,
            input_per_million=decimal_string(intent.rates[0] * PER_MILLION) if priced else "",
            output_per_million=decimal_string(intent.rates[2] * PER_MILLION) if priced else "",
            per_call=decimal_string(intent.rates[6]) if priced else "",
            reserved_input_tokens=intent.input_bound,
            reserved_output_tokens=intent.output_bound,
            reserved_cost=decimal_string(intent.cost_bound),
            left_out=why,
        )

    # --- limits ---

    def _limits(
        self, places: Sequence[Place], wanted: Mapping[str, Wanted], intents: Mapping[str, Intent]
    ) -> tuple[Limit, ...]:
        met = [
            Met(
                place.name,
                intents[place.code],
                tuple(limit for limit, _ in self.limits.applied(wanted[place.code].caller)),
            )
            for place in places
        ]
        return applied(met)

    def _check_fit(self, limit: Limit) -> None:
        if limit.shadow or limit.calls != 0 or limit.backends:
            return
        where = f"{limit.written.field} of {limit.written.resource}"
        if limit.amount in {"0", "0.00"}:
            code = "insufficient_quota" if limit.kind in USED_UP else "rate_limit_exceeded"
            detail = f"Limit {limit.id} allows nothing."
            self._refuse(code, f"raise {where}, or take it out", detail=detail)
            return
        detail = f"Limit {limit.id} is {limit.amount}, and this call alone needs {limit.needs}."
        cure = f"ask for fewer output tokens or send less input, or raise {where}"
        self._refuse("request_exceeds_limit", cure, detail=detail)

    def _refuse(self, code: str, cure: str, **facts: object) -> None:
        self.refused.append(obstacle(code, cure, **facts))


def obstacle(code: str, cure: str, **facts: object) -> Obstacle:
    """The refusal that a gateway gives with this code, and what to change."""
    known = CODES[code]
    return Obstacle(code, known.status, known.template.format(**facts), cure)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
