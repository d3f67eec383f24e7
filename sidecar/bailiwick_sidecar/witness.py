"""What Envoy's records tell the agent's parts, beside what accounting makes of them."""

from typing import Final

from bailiwick_sidecar.accounting.records import AttemptEnd, Record, flags
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.idempotency.keys import KeyedCalls
from bailiwick_sidecar.jwks.store import KeySets
from bailiwick_sidecar.keyring import Keyring

UNKNOWN_KEY: Final = "Jwks_doesn't_have_key"
"""In Envoy's response code details: a token named a key that the issuer's set does not have."""


def tell(
    record: Record,
    *,
    gate: Gate | None,
    keyed: KeyedCalls | None,
    keys: Keyring,
    key_sets: KeySets,
    now: int,
) -> None:
    """Keys and backends know how an attempt went; a call that ended is forgotten.

    `gate` and `keyed` are None while the agent starts; `now` is in ms since the epoch.
    """
    if isinstance(record, AttemptEnd):
        if record.id is not None and record.n is not None:
            keys.ended((record.id, record.n), record.s or 0)
        if record.b is not None and gate is not None:
            gate.health.ended(
                record.b.removeprefix("b-"),
                status=record.s or 0,
                flags=flags(record),
                retry_after=record.ra or "",
                now=now,
            )
        return
    if record.id is not None and gate is not None:
        gate.calls.forget(record.id)
        if keyed is not None:
            keyed.ended(record.id)
    if record.c is not None and UNKNOWN_KEY in record.c:
        key_sets.unknown_key()
