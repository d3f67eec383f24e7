"""What Envoy wrote about the end of an attempt or a request. Pure.

The fields are those of docs/internals/wire.md, "Records". Envoy's JSON formatter gives header
values as strings and metadata as doubles, so numbers are read from either.
"""

from typing import Final

import msgspec

MAX_LINE: Final = 16 << 10
"""Bytes; a longer line is no record of ours."""
MAX_FIGURE: Final = 2**53
"""Past it a double is no longer a whole number."""

MAX_ID: Final = 64


class AttemptEnd(msgspec.Struct, frozen=True, tag_field="k", tag="a"):
    """An attempt's end, from the router's upstream log."""

    id: str | None = None
    n: int | None = None
    b: str | None = None
    s: int | None = None
    f: str | None = None
    t: float | None = None
    d: int | None = None
    tx: int | None = None
    rx: int | None = None
    x: str | None = None
    ra: str | None = None


class RequestEnd(msgspec.Struct, frozen=True, tag_field="k", tag="r"):
    """A request's end, from the access log."""

    id: str | None = None
    n: int | None = None
    s: int | None = None
    f: str | None = None
    c: str | None = None
    t: float | None = None
    d: int | None = None
    fb: int | None = None
    p: str | None = None
    sent: int | None = None
    u: str | None = None
    ev: int | None = None
    eb: int | None = None
    m: str | None = None
    done: int | None = None


Record = AttemptEnd | RequestEnd

_decoder = msgspec.json.Decoder(Record, strict=False)


def parse(line: bytes) -> Record | None:
    """The record that the line holds, or None where it is malformed.

    A record without an id is whole: Envoy writes one for a connection that never became a call.
    """
    if len(line) > MAX_LINE:
        return None
    try:
        record: Record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if record.id is None:
        return record
    if not 0 < len(record.id) <= MAX_ID or not _sane(record):
        return None
    return record


def salvage(line: bytes) -> Record | None:
    """The record at the end of a line that begins with a torn one.

    A full disk cuts a line, and Envoy's next one is glued to it. Records are flat and quotes in
    strings are escaped, so the last opening brace before a quote begins a record.
    """
    start = line.rfind(b'{"')
    return parse(line[start:]) if start > 0 else None


def flags(record: Record | None) -> frozenset[str]:
    """Envoy's response flags, such as UF or DC."""
    if record is None or record.f is None or record.f == "-":
        return frozenset()
    return frozenset(record.f.split(","))


def ended_at(record: Record | None) -> int | None:
    """When what it tells of ended, in ms since the epoch; None where it does not say."""
    if record is None or record.t is None:
        return None
    return int(record.t * 1000) + (record.d or 0)


def _sane(record: Record) -> bool:
    """False where a figure is one that Envoy can't have meant."""
    if record.n is None:
        return False
    figures: tuple[int | float | None, ...]
    if isinstance(record, AttemptEnd):
        if record.n < 1:
            return False
        figures = (record.s, record.d, record.tx, record.rx, record.t)
    else:
        figures = (record.n, record.s, record.d, record.fb, record.sent, record.ev, record.t)
    for figure in figures:  # noqa: SIM110 -- a generator costs each record a microsecond
        if figure is not None and not 0 <= figure <= MAX_FIGURE:
            return False
    return True
