"""`POST /admit`: a call's first attempt with its plan, or why it may not leave."""

import asyncio
from typing import Final

from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.answer import Answer, Headers, Request
from bailiwick_sidecar.admission.body import Ask, read
from bailiwick_sidecar.admission.calls import Call
from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.gate import Gate, protocol_of, stream_id
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.limits import rate_headers
from bailiwick_sidecar.admission.plan import Exclusions, find_way, order
from bailiwick_sidecar.admission.reserve import Wanted
from bailiwick_sidecar.admission.tables import Place, Tables, Way
from bailiwick_sidecar.idempotency.admitting import seen_before
from bailiwick_sidecar.quota.model import Caller

PENDING_SECONDS: Final = 1.0
"""How long a call waits for Envoy to take an edit of its route; that takes milliseconds."""
TURN_SECONDS: Final = 0.01


async def admit(gate: Gate, request: Request) -> Answer:
    """Reserve and write down attempt 1, and answer how the call goes on (see wire.md)."""
    team = route = ""
    protocol = protocol_of(request)
    try:
        stream = stream_id(request)
        tables = gate.ready_tables()
        identity = gate.identify(request, tables)
        team = identity.team
        ask = read(request.body, allowed_tags=tables.tags, protocol=protocol)
        way = find_way(tables, ask.alias, team)
        route = way.name
        if way.pending:
            tables, way = await _settled(gate, ask.alias, team)
        if ask.key is not None:
            again = await seen_before(gate, request, tables=tables, who=identity, ask=ask, way=way)
            if again is not None:
                return again
        plan = await _plan(gate, tables, way, ask=ask, identity=identity)
        # Before anything is reserved: what can fail without a trace fails first.
        attempt, mark = gate.attempt_headers(plan[0], (stream, 1))
        wanted = Wanted((stream, 1), identity, ask, way, plan[0], mark)
        intent, grant = await gate.reserve(wanted, tables)
    except RefusedError as error:
        _free(gate, request)
        return refusal_answer(gate, error, team=team, route=route, protocol=protocol)
    except BaseException:
        _free(gate, request)
        raise
    if len(plan) > 1:
        if way.budget is not None:
            gate.retries.called(way.name, intent.admitted_at)
        gate.health.begun(plan[0].code, intent.admitted_at)
        gate.calls.keep(stream, Call(identity, ask, way, plan, intent.deadline))
    gate.watcher.admitted(intent)
    headers: Headers = (
        ("x-bw-route", f"{way.code}-{'s' if ask.what.stream else 'u'}"),
        ("x-bw-plan", ",".join(place.code for place in plan)),
        ("x-bw-names", ", ".join(place.name for place in plan)),
        *attempt,
        *edits(ask, wanted.cap),
        *cut(ask, way, intent),
        *_tiers(ask, plan),
        *rate_headers(grant.tightest, now=intent.admitted_at),
    )
    return Answer(200, headers)


def _free(gate: Gate, request: Request) -> None:
    """Give back the key of a call that does not leave."""
    if gate.keyed is not None:
        gate.keyed.release(request.headers.get("x-bw-id", ""))


async def _settled(gate: Gate, alias: str, team: str) -> tuple[Tables, Way]:
    """The route once Envoy has its places as they are written, or after a second as it is."""
    turns = int(PENDING_SECONDS / TURN_SECONDS)
    for _ in range(turns):
        await asyncio.sleep(TURN_SECONDS)
        tables = gate.ready_tables()
        way = find_way(tables, alias, team)
        if not way.pending:
            break
    return tables, way


def edits(ask: Ask, cap: int) -> Headers:
    """What the body needs before it leaves."""
    headers: list[tuple[str, str]] = []
    what = ask.what
    if cap and cap != what.requested:
        headers.append(("x-bw-edit-cap", f"{what.cap_field}={cap}"))
    if what.stream and what.asks_usage:
        headers.append(("x-bw-edit-usage", "1" if what.usage_wanted else "hide"))
    if what.sets:
        headers.append(("x-bw-edit-set", what.sets))
    if ask.drop:
        headers.append(("x-bw-edit-drop", ",".join(ask.drop)))
    return tuple(headers)


def cut(ask: Ask, way: Way, intent: Intent) -> Headers:
    """After how many events a stream has certainly passed what was reserved for it.

    An event with content has a token at least. Each choice begins and ends with one that has none,
    and providers send a first one of their own.
    """
    if not (way.cut and ask.what.stream):
        return ()
    return (("x-bw-cut", str(intent.output_bound + 2 * ask.what.n + 2)),)


def _tiers(ask: Ask, plan: tuple[Place, ...]) -> Headers:
    """Has the answer's service tier noted, where it may decide the price."""
    if ask.what.service_tier is None or not any(place.prices.tiered for place in plan):
        return ()
    return (("x-bw-tiers", "1"),)


def refusal_answer(
    gate: Gate, error: RefusedError, *, team: str, route: str, protocol: str
) -> Answer:
    """The answer for a refusal, counted."""
    refusal = error.refusal
    limit = str(refusal.limit["id"]) if refusal.limit else ""
    gate.watcher.refused(refusal.code, team=team, route=route, limit=limit, protocol=protocol)
    return refusal.answer()


async def _plan(
    gate: Gate, tables: Tables, way: Way, *, ask: Ask, identity: Identity
) -> tuple[Place, ...]:
    unpriced = await _unpriced(gate, tables, way, identity)
    now = gate.clock()
    exclusions = Exclusions(
        keyed=gate.has_key,
        priced=lambda place: place.code not in unpriced,
        bounded=lambda place: ask.input_bound(place.context) is not None,
        keyless=gate.keyless,
        passed_over=lambda place: gate.health.passed_over(place.code, now),
        service_tier=ask.what.priced_apart,
        tiers=lambda place: place.service_tiers(now),
    )
    plan = order(
        tables,
        way,
        team=identity.team,
        alias=ask.alias,
        exclusions=exclusions,
        random=gate.random,
        user=identity.user,
    )
    return plan * 2 if way.asks_again and len(plan) == 1 else plan


async def _unpriced(gate: Gate, tables: Tables, way: Way, identity: Identity) -> frozenset[str]:
    """Codes of places without a price where money is limited and the tenant denies that."""
    if not tables.unpriced_denied:
        return frozenset()
    now = gate.clock()
    found = set()
    for place in way.live:
        if place.prices.at(now) is None:
            caller = Caller(identity.team, identity.project, identity.user, way.name, place.tier)
            if await gate.reserver.needs_price(caller):
                found.add(place.code)
    return frozenset(found)
