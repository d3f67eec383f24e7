"""The journal's lines: JSON arrays whose first member names the kind. Pure.

An attempt is one `i` and one `o` line. What many attempts share stands once per segment in a
`c` line, to which `i` lines refer by number: an attempt takes about 220 bytes.
"""

from typing import Final

import msgspec

from bailiwick_contract.rating import RateTuple, TierRates
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.quota.model import AttemptKey, Caller

VERSION: Final = 1
Position = tuple[int, int]
"""Segment number and byte offset in it: a place between two lines."""
TailMark = tuple[int, int]
"""Inode of Envoy's log and byte offset in it."""
WIDE: Final = 2**63
KINDS: Final = 7
Number = int | str
"""A whole number; as a string where it does not fit into 64 bits."""
Numbers = tuple[Number, Number, Number, Number, Number, Number, Number]
"""Rates, in the order of `rating`."""


class HeadLine(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """A segment's first line: the counters as they stood, and how far others had read."""

    version: int
    created_at: int
    shipped: Position
    tailed: TailMark
    open: int
    """How many of the intents that follow were open when the segment began."""
    state: msgspec.Raw


class ContextLine(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """What many attempts have in common."""

    number: int
    team: str
    project: str
    route: str
    tier: str
    cost_center: str
    backend: str
    provider: str
    model: str
    alias: str
    operation: str
    price_source: str
    rates: Numbers
    protocol: str = "http"
    service_tier: str = ""
    tiers: tuple[tuple[str, Numbers], ...] = ()
    provider_key: str = ""
    provider_key_id: str = ""


class IntentLine(msgspec.Struct, frozen=True, array_like=True, tag="i"):
    """An attempt that may leave."""

    stream_id: str
    attempt: int
    context: int
    user: str
    admitted_at: int
    lease: int
    stream: bool
    input_bound: int
    output_bound: int
    cost_bound: Number
    tags: tuple[tuple[str, str], ...] = ()
    flat: bool = False


class OutcomeLine(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """An attempt that has ended."""

    stream_id: str
    attempt: int
    state: RowState
    reason: str
    ended_at: int
    status: int
    cost: Number
    duration_ms: int
    first_byte_ms: int
    usage: tuple[int, ...] = ()
    service_tier: str = ""


class ShippedLine(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """Every outcome before this place is in the ledger."""

    position: Position


class TailedLine(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """Every record of Envoy's log before this place is accounted for."""

    mark: TailMark


Line = HeadLine | ContextLine | IntentLine | OutcomeLine | ShippedLine | TailedLine

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """One line of the journal with its newline."""
    return _encoder.encode(line) + b"\n"


def decode(raw: bytes) -> Line | None:
    """The line's meaning, or None where it has none: torn, glued or foreign."""
    try:
        line: Line = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return line


def wide(number: int) -> Number:
    """The number as JSON keeps it exactly."""
    return number if -WIDE <= number < WIDE else str(number)


def context_of(intent: Intent) -> tuple[str | tuple[int, ...] | TierRates, ...]:
    """What the intent may share with others: equal tuples may share one `c` line."""
    caller = intent.caller
    return (
        caller.team,
        caller.project,
        caller.route,
        caller.tier,
        intent.cost_center,
        intent.backend,
        intent.provider,
        intent.model,
        intent.alias,
        intent.operation,
        intent.price_source,
        intent.rates,
        intent.protocol,
        intent.service_tier,
        intent.tiers,
        intent.provider_key,
        intent.provider_key_id,
    )


def context_line(number: int, intent: Intent) -> bytes:
    """The `c` line that gives the intent's context this number."""
    caller = intent.caller
    return encode(
        ContextLine(
            number=number,
            team=caller.team,
            project=caller.project,
            route=caller.route,
            tier=caller.tier,
            cost_center=intent.cost_center,
            backend=intent.backend,
            provider=intent.provider,
            model=intent.model,
            alias=intent.alias,
            operation=intent.operation,
            price_source=intent.price_source,
            rates=_written(intent.rates),
            protocol=intent.protocol,
            service_tier=intent.service_tier,
            tiers=tuple((name, _written(rates)) for name, rates in intent.tiers),
            provider_key=intent.provider_key,
            provider_key_id=intent.provider_key_id,
        )
    )


def intent_line(context: int, intent: Intent) -> bytes:
    """The `i` line of an intent whose context has this number."""
    return encode(
        IntentLine(
            stream_id=intent.key[0],
            attempt=intent.key[1],
            context=context,
            user=intent.caller.user,
            admitted_at=intent.admitted_at,
            lease=intent.deadline - intent.admitted_at,
            stream=intent.stream,
            input_bound=intent.input_bound,
            output_bound=intent.output_bound,
            cost_bound=wide(intent.cost_bound),
            tags=intent.tags,
            flat=intent.flat,
        )
    )


def outcome_line(row: Row) -> bytes:
    """The `o` line of a row."""
    usage = row.usage
    kinds = (
        usage.cached_input,
        usage.cache_write,
        usage.audio_input,
        usage.reasoning_output,
        usage.audio_output,
    )
    return encode(
        OutcomeLine(
            stream_id=row.intent.key[0],
            attempt=row.intent.key[1],
            state=row.state,
            reason=row.reason,
            ended_at=row.ended_at,
            status=row.status,
            cost=wide(row.cost),
            duration_ms=row.duration_ms,
            first_byte_ms=row.first_byte_ms,
            usage=(usage.input, usage.output, *(kinds if any(kinds) else ())),
            service_tier=row.service_tier,
        )
    )


def intent_of(line: IntentLine, context: ContextLine) -> Intent:
    """The intent that the two lines say."""
    return Intent(
        key=(line.stream_id, line.attempt),
        admitted_at=line.admitted_at,
        deadline=line.admitted_at + line.lease,
        caller=Caller(
            team=context.team,
            project=context.project,
            user=line.user,
            route=context.route,
            tier=context.tier,
        ),
        cost_center=context.cost_center,
        tags=line.tags,
        backend=context.backend,
        provider=context.provider,
        model=context.model,
        alias=context.alias,
        operation=context.operation,
        stream=line.stream,
        input_bound=line.input_bound,
        output_bound=line.output_bound,
        cost_bound=int(line.cost_bound),
        price_source=context.price_source,
        rates=_read(context.rates),
        protocol=context.protocol,
        flat=line.flat,
        service_tier=context.service_tier,
        tiers=tuple((name, _read(rates)) for name, rates in context.tiers),
        provider_key=context.provider_key,
        provider_key_id=context.provider_key_id,
    )


def row_of(line: OutcomeLine, intent: Intent) -> Row:
    """The row that the outcome makes of its intent."""
    return Row(
        intent=intent,
        state=line.state,
        ended_at=line.ended_at,
        status=line.status,
        usage=Usage(*line.usage),
        cost=int(line.cost),
        duration_ms=line.duration_ms,
        first_byte_ms=line.first_byte_ms,
        reason=line.reason,
        service_tier=line.service_tier,
    )


def _written(rates: RateTuple) -> Numbers:
    a, b, c, d, e, f, g = rates
    return (wide(a), wide(b), wide(c), wide(d), wide(e), wide(f), wide(g))


def _read(rates: Numbers) -> RateTuple:
    a, b, c, d, e, f, g = rates
    return (int(a), int(b), int(c), int(d), int(e), int(f), int(g))


class Memory:
    """What a reader must remember while it goes through a segment: contexts and open intents."""

    __slots__ = ("contexts", "open")

    def __init__(self) -> None:
        self.contexts: dict[int, ContextLine] = {}
        self.open: dict[AttemptKey, Intent] = {}

    def take(self, line: Line) -> Intent | Row | None:
        """The intent or row that the line completes, None where it says something else.

        Raises:
            ValueError: it refers to what was never said, so that it is as good as garbage.
        """
        match line:
            case ContextLine():
                self.contexts[line.number] = line
            case IntentLine():
                context = self.contexts.get(line.context)
                if context is None:
                    raise ValueError(line.context)
                intent = intent_of(line, context)
                self.open[intent.key] = intent
                return intent
            case OutcomeLine():
                key = (line.stream_id, line.attempt)
                known = self.open.get(key)
                if known is None or len(line.usage) > KINDS:
                    raise ValueError(key)
                del self.open[key]
                return row_of(line, known)
            case _:
                pass
        return None
