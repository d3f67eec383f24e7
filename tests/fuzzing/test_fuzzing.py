"""Ten thousand inputs each time; `make fuzz` has more. A seed repeats what it found."""

import pytest
from fuzz_kit import bodies, reference, resources, response_streams, streams
from fuzz_kit.scripts import Scripts


@pytest.fixture(scope="module")
def scripts() -> Scripts:
    """The gateway's scripts in LuaJIT."""
    return Scripts()


def test_no_body_is_taken_that_a_strict_parser_refuses(scripts: Scripts) -> None:
    """Nor refused that it takes, told wrongly to the agent, or changed beyond the edits."""
    assert 1500 < bodies.run(scripts, "test", 8000) < 6500


def test_no_byte_slips_through_a_run_of_plain_ones(scripts: Scripts) -> None:
    """Each byte at each place of a long string: taken where a strict parser takes it."""
    for at in range(40):
        for byte in range(256):
            text = bytearray(b"a" * 40)
            text[at] = byte
            body = b'{"model":"m","messages":[],"user":"%b"}' % text
            try:
                reference.read(body)
            except reference.Refused:
                assert scripts.call(body).status == 400, body
            else:
                assert scripts.call(body).sent is not None, body


def test_no_stream_loses_a_byte_or_its_usage(scripts: Scripts) -> None:
    """However it is cut: the bytes are the provider's, usage is what a strict reader finds."""
    assert 500 < streams.run(scripts, "test", 1900) < 1800


def test_no_stream_of_a_response_loses_a_byte_or_its_usage(scripts: Scripts) -> None:
    """As above, for usage inside the last event's `response`."""
    assert 200 < response_streams.run(scripts, "test", 600) < 560


@pytest.mark.parametrize("eol", streams.EOLS, ids=["lf", "crlf", "cr"])
def test_a_stream_is_split_at_every_byte(scripts: Scripts, eol: bytes) -> None:
    """Nothing changes with the place, be usage shown or hidden."""
    events = (
        b'data: {"model":"pm","choices":[{"delta":{"content":"\xe2\x82\xac"}}],"usage":null}',
        b'data: {"model":"pm","choices":[],"usage":' + streams.USAGE[0] + b"}",
        b"data: [DONE]",
        b"",
    )
    body = (eol * 2).join(events)
    for at in range(1, len(body)):
        streams.check(scripts, body, [at])


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_a_stream_of_a_response_is_split_at_every_byte(scripts: Scripts, eol: bytes) -> None:
    """Nothing changes with the place."""
    events = (
        response_streams.report("response.created", "null"),
        response_streams.delta('"usage": \u20ac'),
        response_streams.report("response.completed", response_streams.USAGE, after=',"user":null'),
    )
    body = "\n\n".join((*events, "")).encode().replace(b"\n", eol)
    for at in range(len(body) + 1):
        found = response_streams.check(scripts, body, [at])
        assert found == (response_streams.USAGE, 1), at


def test_no_resource_breaks_loader_or_compiler() -> None:
    """Whatever files say, there is a config or a finding with a cure."""
    assert 0 < resources.run("test", 100) < 100


PLANTED = {
    "duplicates pass": ("if folded[key] then refuse", "if false then refuse"),
    "case does not count": ("return lower(name)", "return name"),
    "surrogates pass": ("if low < 0xDC00 or low > 0xDFFF then", "if false then"),
    "deeper": ("local MAX_DEPTH = 64", "local MAX_DEPTH = 66"),
    "trailing bytes pass": ('if c then refuse("something behind the object", i) end', ""),
    "control characters pass": ("elseif c < 32 then", "elseif c < 9 then"),
    "control characters pass in a run": ("band(tobit(b - 0x20202020), bnot(b))", "0"),
    "high bytes pass in a run": ("bor(a, b,", "bor(0, b,"),
    "quotes pass in a run": ("band(tobit(b_quote - 0x01010101), bnot(b_quote))", "0"),
    "backslashes pass in a run": ("band(tobit(a_slash - 0x01010101), bnot(a_slash))", "0"),
    "places in the first body": (
        "splices.span(size + edit[5] + 1,",
        "splices.span(size + 1,",
    ),
    "the cap of the attempt before": ("elseif again then", "elseif false then"),
    "numbers of any size": ("value == huge or", ""),
    "member name misread": ("if escaped then name = unescape(name) end", ""),
    "usage option breaks": ('(next(options) and "," or "")', '","'),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_fault_in_the_scan_is_found(planted: tuple[str, str]) -> None:
    """The run can fail: each of these faults is found by it."""
    with pytest.raises(AssertionError):
        bodies.run(Scripts(planted), "planted", 20_000)


PLANTED_IN_STREAMS = {
    "usage of a nested member": (
        "local found = json.scan(payload)",
        """local found = json.tail(sub(payload, find(payload, '"usage"', 1, true)))""",
    ),
    "carriage returns unknown": ("if c == 10 or c == 13 then return i", "if c == 10 then return i"),
    "last line lost": ("chunk:setBytes(lines:flush())", ""),
    "content hidden": ('find(choices, "^%[%s*%]$") ~= nil', "true"),
    "first usage wins": (
        'set(h, "u", usage)',
        'if not Once then set(h, "u", usage) Once = true end',
    ),
}


PLANTED_IN_RESPONSES = {
    "usage at the top alone": ("(nested and note_response or note)", "note"),
    "every event counts": ("(self.nested and not (d and d < e))", "false"),
    "the tail of an event": ("if not report or byte(report, 1) ~= 123 then", "if true then"),
}


@pytest.mark.parametrize("planted", PLANTED_IN_RESPONSES.values(), ids=PLANTED_IN_RESPONSES.keys())
def test_a_fault_in_the_reading_of_responses_is_found(planted: tuple[str, str]) -> None:
    """As above."""
    with pytest.raises(AssertionError):
        response_streams.run(Scripts(planted), "planted", 3000)


@pytest.mark.parametrize("planted", PLANTED_IN_STREAMS.values(), ids=PLANTED_IN_STREAMS.keys())
def test_a_fault_in_the_reading_of_streams_is_found(planted: tuple[str, str]) -> None:
    """As above."""
    with pytest.raises(AssertionError):
        streams.run(Scripts(planted), "planted", 3000)
