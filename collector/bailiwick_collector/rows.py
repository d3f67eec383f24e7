"""A row of a batch as the values of the ledger's columns. Pure."""

import json
import re
from typing import Any, Final

from bailiwick_collector.errors import BadRowError
from bailiwick_contract.money import MoneyError, decimal_string, pico
from bailiwick_contract.v1.usage_pb2 import UsageBatch, UsageRow
from bailiwick_sidecar.ledger.schema import MICRO, attempts

COLUMNS: Final = tuple(column.name for column in attempts.columns)
STATES: Final = frozenset({"settled", "estimated", "void", "unknown"})
WIDEST: Final = 2**63 - 1
NOWHERE: Final = "\ufffd"
"""Stands for the one character that PostgreSQL's text has no room for."""
_OF_BATCH: Final = ("tenant", "namespace", "currency", "gateway")
_GATEWAY: Final = re.compile(r"[0-9A-Za-z]{0,64}")
_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "reserved_input_tokens",
    "reserved_output_tokens",
    "duration_ms",
    "first_byte_ms",
)


def values(row: UsageRow, batch: UsageBatch) -> tuple[Any, ...]:
    """The row's values in the order of COLUMNS.

    Raises:
        BadRowError: it says what no gateway of any release says.
    """
    where = f"row {row.stream_id!r} attempt {row.attempt}"
    if not row.stream_id or not 0 < row.attempt < 2**31 or row.admitted_at <= 0:
        raise BadRowError(f"{where} has no key: stream_id, attempt and admitted_at are needed")
    if not _GATEWAY.fullmatch(batch.gateway):
        raise BadRowError("the batch's gateway is not of letters and digits, 64 at most")
    if row.state not in STATES:
        raise BadRowError(f"{where} has state {row.state!r}, which this release does not know")
    if row.status >= 2**31 or any(getattr(row, name) > WIDEST for name in _COUNTS):
        raise BadRowError(f"{where} has a figure that does not fit into 64 bits")
    try:
        cost, reserved = pico(row.cost or "0"), pico(row.reserved_cost or "0")
    except MoneyError as error:
        raise BadRowError(f"{where}: {error}") from error
    micro, rest = divmod(cost, MICRO)
    if not -WIDEST <= micro <= WIDEST:
        raise BadRowError(f"{where} costs more than fits into 64 bits of millionths")
    computed: dict[str, Any] = {
        "cost": decimal_string(cost),
        "cost_micro": micro,
        "cost_rest": rest,
        "reserved_cost": decimal_string(reserved),
        "tags": json.dumps(
            {_kept(name): _kept(row.tags[name]) for name in sorted(row.tags)},
            ensure_ascii=False,
            separators=(",", ":"),
        ),
    }
    computed |= {name: getattr(batch, name) for name in _OF_BATCH}
    found = (computed[name] if name in computed else getattr(row, name) for name in COLUMNS)
    return tuple(_kept(one) if isinstance(one, str) else one for one in found)


def _kept(text: str) -> str:
    return text.replace("\x00", NOWHERE) if "\x00" in text else text
