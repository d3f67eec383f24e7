"""A row of accounting as the values of the ledger's columns. Pure."""

from dataclasses import dataclass
from typing import Any

import orjson

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.accounting.model import Row
from bailiwick_sidecar.ledger.schema import MICRO, attempts

COLUMNS = tuple(column.name for column in attempts.columns)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows they are: what is the same for all rows of one gateway."""

    tenant: str
    namespace: str
    currency: str
    gateway: str = ""
    """What a quota store knows it by; empty: nothing."""


def values(row: Row, owner: Owner) -> tuple[Any, ...]:
    """The row's values in the order of COLUMNS."""
    intent, usage = row.intent, row.usage
    caller = intent.caller
    micro, rest = divmod(row.cost, MICRO)
    return (
        owner.tenant,
        intent.key[0],
        intent.key[1],
        owner.namespace,
        intent.admitted_at,
        row.ended_at,
        caller.team,
        caller.project,
        intent.cost_center,
        caller.user,
        caller.route,
        intent.alias,
        intent.backend,
        intent.provider,
        intent.model,
        caller.tier,
        intent.operation,
        intent.stream,
        intent.protocol,
        row.state.value,
        row.status,
        row.reason,
        usage.input,
        usage.output,
        usage.cached_input,
        usage.cache_write,
        usage.audio_input,
        usage.reasoning_output,
        usage.audio_output,
        decimal_string(row.cost),
        micro,
        rest,
        owner.currency,
        row.price_source,
        intent.input_bound,
        intent.output_bound,
        decimal_string(intent.cost_bound),
        row.duration_ms,
        row.first_byte_ms,
        orjson.dumps(dict(intent.tags)).decode() if intent.tags else "{}",
        owner.gateway,
        intent.provider_key,
        intent.provider_key_id,
    )
