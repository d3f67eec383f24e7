"""`POST /attempt`: a call's further attempts."""

from typing import Final

from bailiwick_sidecar.admission.admit import refusal_answer
from bailiwick_sidecar.admission.answer import Answer, Headers, Request
from bailiwick_sidecar.admission.calls import Call
from bailiwick_sidecar.admission.errors import RefusedError, refused, shown
from bailiwick_sidecar.admission.gate import RETRY_SOON, Gate, stream_id
from bailiwick_sidecar.admission.reserve import Wanted
from bailiwick_sidecar.admission.tables import Place, Tables
from bailiwick_sidecar.names import MAX_ATTEMPTS
from bailiwick_sidecar.quota.model import AttemptKey

PREDECESSOR_SECONDS: Final = 0.05
"""How long to wait for the record of the attempt before, so that what it gives back counts."""


async def attempt(gate: Gate, request: Request) -> Answer:
    """Reserve and write down one more attempt of an admitted call (see wire.md)."""
    team, route, protocol = "", "", "http"
    try:
        stream = stream_id(request)
        number = _number(request)
        tables = gate.ready_tables()
        call = gate.calls.get(stream)
        if call is None:
            # Admitted by a process that is gone: its plan is not known here.
            raise refused("gateway_unavailable", retry_after=RETRY_SOON)
        team, protocol = call.identity.team, call.ask.protocol
        route = call.way.name
        place = _place(call, tables, request, now=gate.clock())
        before = (stream, number - 1)
        await _another_key(gate, call, place, before)
        budget = call.way.budget
        if budget is not None and not gate.retries.take(call.way.name, budget, gate.clock()):
            raise refused(
                "retry_budget_exhausted", retry_after=RETRY_SOON, tried=_tried(call, number)
            )
        headers, mark = gate.attempt_headers(place, (stream, number))
        await gate.accounts.ended(before, PREDECESSOR_SECONDS)
        wanted = Wanted((stream, number), call.identity, call.ask, call.way, place, mark)
        intent, _ = await gate.reserve(wanted, tables, before)
    except RefusedError as error:
        return refusal_answer(gate, error, team=team, route=route, protocol=protocol)
    gate.watcher.admitted(intent)
    # The body still holds the cap of the attempt before.
    cap: Headers = (
        (("x-bw-edit-cap", f"{call.ask.what.cap_field}={wanted.cap}"),) if wanted.cap else ()
    )
    return Answer(200, (*headers, *cap))


def _tried(call: Call, number: int) -> str:
    """The backends that were tried before this attempt, as the route names them."""
    return ", ".join(place.name for place in call.plan[: number - 1])


def _number(request: Request) -> int:
    text = request.headers.get("x-bw-attempt", "")
    if text.isascii() and text.isdecimal() and 2 <= int(text[:3]) <= MAX_ATTEMPTS:  # noqa: PLR2004 -- attempt 1 rides on /admit
        return int(text[:3])
    raise refused("invalid_json", reason="the gateway's own envelope is damaged")


async def _another_key(gate: Gate, call: Call, place: Place, before: AttemptKey) -> None:
    """Have another key than the attempt before, where that one was at the same place.

    Envoy tries a place again only after it refused the key (see rekeying.py).

    Raises:
        RefusedError: there is no other key.
    """
    again = before[1] <= len(call.plan) and call.plan[before[1] - 1].code == place.code
    if again and (place.key is None or not await gate.lender.replaced(before, place.key)):
        raise refused("credential_rejected", retry_after=RETRY_SOON, model=shown(call.ask.alias))


def _place(call: Call, tables: Tables, request: Request, *, now: int) -> Place:
    """The place that Envoy is about to try: of this call's own plan, and still what it was.

    A config may have changed since: a place that now means another endpoint or key, that is closed
    to the team, or that no longer prices the call's service tier, gets nothing.
    """
    code = request.headers.get("x-bw-backend", "")
    planned = next((place for place in call.plan if place.code == code), None)
    place = tables.place(code)
    tier = call.ask.what.priced_apart
    if (
        planned is None
        or place is None
        or place.fingerprint != planned.fingerprint
        or not tables.tier_open(place.tier, call.identity.team)
        or (tier and tier not in place.service_tiers(now))
    ):
        raise refused("route_not_ready", retry_after=RETRY_SOON, model=shown(call.ask.alias))
    return place
