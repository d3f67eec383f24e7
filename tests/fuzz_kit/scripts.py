"""The gateway's Lua in LuaJIT, without Envoy: a hundred times as many inputs in the same time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane_kit import configs
from dataplane_kit.doubles import allow
from dataplane_kit.rendering import resources
from lupa.luajit21 import LuaRuntime

from bailiwick_sidecar.names import endpoint_mark
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.scripts import request_script
from bailiwick_sidecar.xds.snapshot import Kind
from bailiwick_sidecar.xds.translate import translate

DOUBLE = Path(__file__).with_name("envoy_double.lua")
CHAT = b"/v1/chat/completions"
AGAIN = '"another-model"'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: answered by the script, or sent on as `sent`, then as `again`."""

    status: int
    answer: bytes
    asked: bytes | None
    sent: bytes | None
    again: bytes | None


@dataclass(frozen=True, slots=True)
class Read:
    """What became of an answer: the bytes that the caller gets, and what was found."""

    passed: bytes
    usage: bytes | None
    events: int
    bytes: int


class ScriptError(AssertionError):
    """A script failed: Envoy would have logged this."""


class Scripts:
    """Request, leaf and response script of a config with one route."""

    def __init__(self, *planted: tuple[str, str]) -> None:
        """Load them; `planted` faults replace a text of the request and response script each."""
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        double = self._lua.execute(DOUBLE.read_bytes())
        self._call, self._answer = double[b"call"], double[b"answer"]
        config = configs.config({"a": 1}, configs.route(backends=("a",)))
        self._mark = endpoint_mark(config.providers[0])
        snapshot = translate(config, _RUNTIME)
        (leaf,) = {
            text for text in _texts(resources(snapshot, Kind.CLUSTER)) if "local CODE = " in text
        }
        source = request_script()
        for sound, faulty in planted:
            assert sound in source, f"the script does not have {sound!r} any more"
            source = source.replace(sound, faulty)
        self._request = double[b"load"](source.encode(), b"request")
        self._leaf = double[b"load"](leaf.encode(), b"leaf")

    def call(
        self,
        body: bytes,
        *,
        path: bytes = CHAT,
        tags: bytes | None = None,
        cap: str = "",
        **admit: str,
    ) -> Outcome:
        """A call, admitted with these headers, then tried again with this cap."""
        (code,) = configs.plan(backends=("a",))
        reply = allow(configs.unary(), [code, code], **admit).headers
        reply["x-bw-endpoint"] = self._mark
        answer = self._table({":status": "200", **reply})
        second = {":status": "200", "x-bw-agent": "1", "x-bw-endpoint": self._mark}
        second |= {"x-bw-model": AGAIN, **({"x-bw-edit-cap": cap} if cap else {})}
        status, text, asked, sent, logged, again = self._call(
            self._request, self._leaf, path, b"application/json", body, answer, tags,
            self._table(second),
        )  # fmt: skip
        if logged is not None:
            raise ScriptError(logged.decode(errors="replace"))
        return Outcome(int(status or 0), text or b"", asked, sent, again)

    def answer(
        self,
        body: bytes,
        cuts: Sequence[int],
        *,
        hide: bool = False,
        response: bool = False,
        media: bytes = b"text/event-stream",
    ) -> Read:
        """A provider's answer (to a `response`), arriving in pieces of these lengths and a rest."""
        mode = b"response" if response else b"hide" if hide else b"show"
        passed, usage, events, size, logged = self._answer(
            self._request, media, body, self._lua.table(*cuts), mode
        )
        if logged is not None:
            raise ScriptError(logged.decode(errors="replace"))
        return Read(passed, usage, int(events), int(size))

    def _table(self, of: Mapping[str, str]) -> Any:
        return self._lua.table_from({name.encode(): value.encode() for name, value in of.items()})


_RUNTIME = Runtime(port=0)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
