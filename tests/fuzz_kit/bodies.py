"""What a body must never do: be taken where a strict parser refuses it, change beyond the edits."""

import json
import random
from typing import Any, Final

import orjson
from fuzz_kit import mutants
from fuzz_kit.reference import Refused, fold, read
from fuzz_kit.scripts import AGAIN, Scripts

TOLD: Final = (
    "model", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options", "metadata",
    "best_of",
)  # fmt: skip
EDITS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"x_bw_edit_cap": "max_tokens=7"},
    {"x_bw_edit_cap": "max_completion_tokens=9"},
    {"x_bw_edit_usage": "1"},
    {"x_bw_edit_usage": "hide", "x_bw_edit_cap": "max_completion_tokens=9"},
    {"x_bw_edit_drop": "metadata,max_tokens", "x_bw_edit_cap": "max_completion_tokens=5"},
    {"x_bw_model": '"m\\u00e9 \\"x\\""', "x_bw_edit_drop": "metadata"},
)


def check(scripts: Scripts, body: bytes, edits: dict[str, str]) -> bool:
    """True where the body was sent on.

    Raises:
        AssertionError: it was taken though a strict parser refuses it, refused though none does,
            told wrongly to the agent, or changed beyond the edits.
    """
    try:
        members = read(body, exact=True)
    except Refused as refused:
        why = str(refused)
    else:
        why = ""
    if why:
        outcome = scripts.call(body, **edits)
        assert outcome.sent is None, f"taken, though {why}"
        assert outcome.asked is None, f"told the agent, though {why}"
        assert outcome.status == 400
        json.loads(outcome.answer)
        return False
    if members.get("model") is None and "model" not in dict(members.pairs):
        return False  # the agent refuses it
    cap = _next_cap(edits, dict(members.pairs))
    outcome = scripts.call(body, cap=cap, **edits)
    if outcome.status:
        options = members.get("stream_options")
        assert "x_bw_edit_usage" in edits, f"refused: {outcome}"
        assert options is not None
        assert not _sound(options), f"refused: {outcome}"
        return False
    assert outcome.asked is not None
    assert outcome.sent is not None
    _told(outcome.asked, body, dict(members.pairs))
    _edited(outcome.sent, body, edits)
    assert outcome.again is not None
    _edited(outcome.again, body, {**edits, "x_bw_model": AGAIN, "x_bw_edit_cap": cap})
    return True


def _next_cap(edits: dict[str, str], members: dict[str, Any]) -> str:
    """The cap that a further attempt gets, in the member that the agent would choose."""
    field = edits.get("x_bw_edit_cap", "").partition("=")[0]
    if not field:
        old = "max_tokens" in members and "max_completion_tokens" not in members
        field = "max_tokens" if old else "max_completion_tokens"
    return f"{field}=12345"


def _sound(options: Any) -> bool:
    """True for stream_options that two parsers read alike."""
    if not isinstance(options, list) or type(options) is list:
        return False
    names = [fold(name) for name, _ in options]
    return len(set(names)) == len(names)


def _told(asked: bytes, body: bytes, members: dict[str, Any]) -> None:
    told = orjson.loads(asked)
    strict = orjson.loads(body)
    assert told["size"] == len(body)
    for name in TOLD:
        assert (name in told) == (name in members), f"the agent was told wrongly of {name}"
        assert told.get(name) == strict.get(name), f"the agent was told wrongly of {name}"


def _edited(sent: bytes, body: bytes, edits: dict[str, str]) -> None:
    """Members of what was sent are the caller's bytes, but for the edits."""
    before, after = _raw(body), _raw(sent)
    expected = dict(before)
    for name in filter(None, edits.get("x_bw_edit_drop", "").split(",")):
        expected.pop(name, None)
    expected["model"] = edits.get("x_bw_model", '"provider-model"').encode()
    if "x_bw_edit_cap" in edits:
        field, _, figure = edits["x_bw_edit_cap"].partition("=")
        expected[field] = figure.encode()
    if "x_bw_edit_usage" in edits:
        options = orjson.loads(after.pop("stream_options"))
        assert options["include_usage"] is True
        own = orjson.loads(expected.pop("stream_options", b"null")) or {}
        assert {**own, "include_usage": True} == options
    assert after == expected, "another byte than the edits' was changed"
    if not edits:
        assert len(sent) == len(body) - len(before["model"]) + len(expected["model"])


def _raw(text: bytes) -> dict[str, bytes]:
    """Top-level members with the bytes of their values, by the standard library alone."""
    decoded = text.decode()
    decoder = json.JSONDecoder()
    found: dict[str, bytes] = {}
    at = _space(decoded, _space(decoded, 0) + 1)
    while decoded[at] != "}":
        name, at = json.decoder.scanstring(decoded, at + 1, True)  # noqa: FBT003 - positional there
        start = _space(decoded, _space(decoded, at) + 1)
        _, at = decoder.raw_decode(decoded, start)
        found[name] = decoded[start:at].encode()
        at = _space(decoded, at)
        if decoded[at] == ",":
            at = _space(decoded, at + 1)
    return found


def _space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def run(scripts: Scripts, seed: str, count: int) -> int:
    """How many of so many bodies were sent on.

    Raises:
        AssertionError: what went wrong, with the body and the edits that repeat it.
    """
    rng = random.Random(f"bodies {seed}")
    sent = 0
    for _ in range(count):
        body, edits = mutants.body(rng), rng.choice(EDITS)
        try:
            sent += check(scripts, body, edits)
        except (AssertionError, ValueError, KeyError, IndexError) as error:
            raise AssertionError(f"{error}\nbody = {body!r}\nedits = {edits!r}") from error
    return sent
