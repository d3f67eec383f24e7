"""A keyed call at admission, and its answer on the way back."""

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.body import Ask
from bailiwick_sidecar.admission.gate import Gate, stream_id
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.reserve import SLACK_MS
from bailiwick_sidecar.admission.tables import Tables, Way
from bailiwick_sidecar.idempotency.scope import caller_hash, key_hash


async def seen_before(
    gate: Gate, request: Request, *, tables: Tables, who: Identity, ask: Ask, way: Way
) -> Answer | None:
    """What the call with this key answered before; None: there was none, and the key is taken.

    Raises:
        RefusedError: the key is none, or means a call that can't be answered (again) now.
    """
    keyed = gate.keyed
    if keyed is None or ask.key is None:
        return None
    caller = caller_hash(tables.namespace, who, request.headers.get("x-bw-jwt", ""))
    key = key_hash(caller, ask.key)
    if keyed.is_open(key):
        # What frees it may stand in a record that Envoy has not flushed yet.
        await gate.accounts.caught_up()
    found = keyed.find(caller, key, ask.call)
    if found is None:
        deadline = gate.clock() + way.request_ms + SLACK_MS
        keyed.take(caller, key, ask.call, stream=stream_id(request), deadline=deadline)
    return found


async def answered(gate: Gate, request: Request) -> Answer:
    """`POST /answer`: keep what a keyed call answered (see wire.md)."""
    status = request.headers.get("x-bw-status", "")
    if gate.keyed is not None and status.isascii() and status.isdecimal():
        gate.keyed.answered(
            stream_id(request),
            status=int(status),
            media=request.headers.get("content-type", "application/json"),
            body=request.body,
        )
    return Answer(200)
