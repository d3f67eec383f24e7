"""Lines of Envoy's log."""

from hypothesis import given
from hypothesis import strategies as st

from bailiwick_sidecar.accounting.records import (
    MAX_LINE,
    AttemptEnd,
    RequestEnd,
    ended_at,
    flags,
    parse,
    salvage,
)

ATTEMPT = (
    b'{"b":"b-0123456789ab","d":401,"f":"UT","id":"8f0c","k":"a","n":"2","rx":0,"s":0,'
    b'"t":"1763700000.250000","tx":304,"x":null}'
)
REQUEST = (
    b'{"c":"via_upstream","d":5,"eb":120.0,"ev":3.0,"f":"-","fb":4,"id":"8f0c","k":"r","n":2,'
    b'"p":"/v1/chat/completions","s":200,"sent":2,'
    b'"u":"{\\u0022prompt_tokens\\u0022: 5}"}'
)


def test_lines_as_envoy_writes_them() -> None:
    """Header values come as strings, metadata as doubles; both are read."""
    attempt, request = parse(ATTEMPT), parse(REQUEST)

    assert attempt == AttemptEnd(
        id="8f0c", n=2, b="b-0123456789ab", s=0, f="UT", t=1763700000.25, d=401, tx=304, rx=0
    )
    assert isinstance(request, RequestEnd)
    assert (request.n, request.ev, request.u) == (2, 3, '{"prompt_tokens": 5}')
    assert (flags(attempt), flags(request)) == ({"UT"}, frozenset())
    assert ended_at(attempt) == 1_763_700_000_651
    assert flags(parse(REQUEST.replace(b'"-"', b'"URX,UF"'))) == {"URX", "UF"}


def test_malformed_lines_are_none() -> None:
    """Anything that is not wholly a record is refused."""
    for line in (
        b"",
        b"{}",
        b"[]",
        ATTEMPT[:-1],
        ATTEMPT + ATTEMPT,
        ATTEMPT.replace(b'"k":"a"', b'"k":"z"'),
        ATTEMPT.replace(b'"n":"2"', b'"n":"-"'),
        ATTEMPT.replace(b'"n":"2"', b'"n":true'),
        ATTEMPT.replace(b'"n":"2"', b'"n":0'),
        ATTEMPT.replace(b'"tx":304', b'"tx":-1'),
        ATTEMPT.replace(b'"id":"8f0c"', b'"id":""'),
        ATTEMPT.replace(b"8f0c", b"8" * 65),
        ATTEMPT.replace(b"8f0c", b"\xff"),
        REQUEST.replace(b'"n":2', b'"n":null'),
        REQUEST.replace(b'"ev":3.0', b'"ev":1e300'),
        b'{"k":"a","n":1,"id":"' + b"x" * MAX_LINE + b'"}',
    ):
        assert parse(line) is None, line


def test_record_without_an_id_is_whole() -> None:
    """Envoy writes one for a connection that never became a call: nothing is wrong with it."""
    assert parse(b'{"k":"r","id":null,"n":0}') == RequestEnd(n=0)


def test_record_after_a_torn_one_is_saved() -> None:
    """A line cut by a full disk spoils itself alone."""
    for cut in range(1, len(REQUEST)):
        assert salvage(REQUEST[:cut] + ATTEMPT) == parse(ATTEMPT)
    assert salvage(b"garbage") is None


@given(st.binary(max_size=400))
def test_no_bytes_raise(line: bytes) -> None:
    """Whatever stands in the log, reading it gives a record or none."""
    parse(line)
    salvage(line)
