"""`GET /v1/models`: what this caller may use."""

import orjson

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.admission.plan import allowed

JSON = (("content-type", "application/json"),)


async def models(gate: Gate, request: Request) -> Answer:
    """The aliases that the caller's team may use, in OpenAI's list shape, sorted.

    Raises:
        RefusedError: he is no caller of this tenant.
    """
    tables = gate.ready_tables()
    identity = gate.identify(request, tables)
    data = [
        {"id": alias, "object": "model", "created": 0, "owned_by": tables.tenant}
        for alias, way in sorted(tables.ways.items())
        if allowed(tables, way, identity.team)
    ]
    return Answer(200, JSON, orjson.dumps({"object": "list", "data": data}))
