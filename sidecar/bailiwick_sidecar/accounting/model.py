"""An attempt's intent, its usage and its row. Values only."""

from enum import Enum

import msgspec

from bailiwick_contract.rating import TierRates
from bailiwick_contract.tiers import Terms, named
from bailiwick_sidecar.quota.model import AttemptKey, Caller


class RowState(Enum):
    """How an attempt ended, as the ledger keeps it."""

    SETTLED = "settled"
    """The provider's own figures, or an error answer, which costs nothing."""
    ESTIMATED = "estimated"
    """It was sent and gave no figures."""
    VOID = "void"
    """Proved never sent."""
    UNKNOWN = "unknown"
    """A process died between intent and answer."""

    # Members are singletons: Enum's own hash, in Python, costs a dozen times as much.
    __hash__ = object.__hash__


class Usage(msgspec.Struct, frozen=True):
    """Tokens by kind.

    `cached_input`, `audio_input`, `cache_write` are parts of `input`; `reasoning_output` and
    `audio_output` are parts of `output`.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    audio_input: int = 0
    reasoning_output: int = 0
    audio_output: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


class Intent(msgspec.Struct, frozen=True):
    """What is journalled before an attempt leaves. Times are ms since the epoch, money picounits.

    `price` is the source and rates that the cost is computed with, whenever it settles.
    `input_bound` and `output_bound` are what was reserved, in tokens.
    """

    key: AttemptKey
    admitted_at: int
    deadline: int
    caller: Caller
    cost_center: str
    tags: tuple[tuple[str, str], ...]
    backend: str
    provider: str
    model: str
    alias: str
    operation: str
    stream: bool
    input_bound: int
    output_bound: int
    cost_bound: int
    price_source: str
    rates: tuple[int, int, int, int, int, int, int]
    """Picounits: per input, cached input, output, cache write, audio input, audio output token,
    and per request."""
    protocol: str = "http"
    """How the caller asked: `http` or `grpc`."""
    flat: bool = False
    """An answer without figures costs its price per request and no tokens."""
    service_tier: str = ""
    """What the caller asked for; empty: the provider chooses, or has none with a price."""
    tiers: TierRates = ()
    """Rates of other service tiers than the standard one, which `rates` are of."""
    provider_key: str = ""
    """Where the key lies that it leaves with, and its version; never the key. Empty: none."""
    provider_key_id: str = ""
    """What the provider calls that key, where that was written down."""

    @property
    def terms(self) -> Terms:
        """What it may be charged by."""
        return Terms(self.rates, self.tiers, self.service_tier)


class Row(msgspec.Struct, frozen=True):
    """One ledger row: an attempt that has ended."""

    intent: Intent
    state: RowState
    ended_at: int
    status: int
    usage: Usage
    cost: int
    duration_ms: int
    first_byte_ms: int
    reason: str
    """Why the state is what it is, in a word: `usage`, `error_status`, `client_disconnect`, …"""
    service_tier: str = ""
    """Mark of the service tier that it was charged by (see `tiers.Charged`)."""

    @property
    def price_source(self) -> str:
        """Where the price is from, with its service tier where that is not the standard one."""
        return named(self.intent.price_source, self.service_tier)
