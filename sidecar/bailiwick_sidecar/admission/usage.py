"""`GET /v1/usage`: this caller's limits, what is used and left, and when it resets."""

import orjson

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.admission.limits import described
from bailiwick_sidecar.admission.models import JSON
from bailiwick_sidecar.quota.model import Caller


async def usage(gate: Gate, request: Request) -> Answer:
    """Every limit that applies to the caller: his own counters and those he shares.

    Raises:
        RefusedError: he is no caller of this tenant.
    """
    tables = gate.ready_tables()
    who = gate.identify(request, tables)
    caller = Caller(who.team, who.project, who.user, route="", tier="")
    # A call that ended a moment ago would still count as under way.
    await gate.accounts.caught_up()
    await gate.store.hear(caller, gate.clock())
    states = await gate.store.states(caller, gate.clock())
    caller_facts = {
        "tenant": tables.tenant,
        "namespace": tables.namespace,
        "team": who.team,
        "project": who.project,
        "user": who.user,
    }
    data = [{"object": "limit", **described(state, currency=tables.currency)} for state in states]
    return Answer(200, JSON, orjson.dumps({"object": "list", "caller": caller_facts, "data": data}))
