"""The facade alone: what it makes of calls, answers and their mishaps."""

import asyncio
import gzip
import json
import stat
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from dataplane_kit.http1 import Received
from facade_kit import (
    SERVICE,
    STREAM_HEAD,
    WAIT,
    Caller,
    Facade,
    answer,
    chunk,
    event,
    facade,
    piece,
)
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc.framing import MAX_MESSAGE, frame
from bailiwick_sidecar.llm_grpc.health import WATCHERS
from bailiwick_sidecar.llm_grpc.status import Code

ASK = pb.ChatRequest(model="fast", messages=[{"role": pb.ROLE_USER, "content": "hi"}])
STREAM = pb.ChatStreamRequest(chat=ASK)
SAID = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}]}


def run(test: Callable[[Facade], Awaitable[None]]) -> None:
    """Run with a facade, on the loop that the agent runs on."""

    async def inside() -> None:
        async with facade() as found, asyncio.timeout(4 * WAIT):
            await test(found)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


def test_a_call_becomes_an_http_call_and_its_answer_a_message() -> None:
    """Token, tags and id go along, nothing else; limits and usage come behind the answer."""

    async def test(found: Facade) -> None:
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        found.envoy.script = answer(
            200,
            {**SAID, "usage": usage},
            x_request_id="id-1",
            x_ratelimit_limit_tokens="9",
            x_other="o",
        )

        got = await found.call("Chat", ASK, x_bailiwick_tags="a=b", x_request_id="id-1", cookie="c")

        asked = found.envoy.received[0]
        assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
        assert json.loads(asked.body)["messages"] == [{"role": "user", "content": "hi"}]
        assert set(asked.headers) == {
            "host", "authorization", "x-bailiwick-tags", "x-request-id", "content-type",
            "content-length",
        }  # fmt: skip
        assert asked.headers["authorization"] == "Bearer t"
        assert got.code == 0
        assert pb.ChatResponse.FromString(got.messages[0]).choices[0].message.content == "yes"
        assert got.trailers == {
            "grpc-status": "0", "x-request-id": "id-1", "x-ratelimit-limit-tokens": "9",
            "x-usage-prompt-tokens": "1", "x-usage-completion-tokens": "2",
            "x-usage-total-tokens": "3",
        }  # fmt: skip

    run(test)


def test_connections_to_envoy_are_used_again() -> None:
    """Fifty calls one after another need one."""

    async def test(found: Facade) -> None:
        found.envoy.script = answer(200, SAID)
        for _ in range(50):
            assert (await found.call("Chat", ASK)).code == 0
        assert found.envoy.connections == 1

    run(test)


def test_pieces_arrive_as_they_come() -> None:
    """Each event is a message at once, before the stream ends; cuts inside an event do no harm."""

    async def test(found: Facade) -> None:
        more = asyncio.Event()

        async def script(_: Received, writer: asyncio.StreamWriter) -> None:
            first = event(piece("a"))
            writer.write(STREAM_HEAD + chunk(b": comment\r\n\r\n") + first)
            await more.wait()
            raw = b"data: " + json.dumps(piece("b")).encode() + b"\r\n\r\ndata: [DONE]\r\n\r\n"
            for at in range(0, len(raw), 7):
                writer.write(chunk(raw[at : at + 7]))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")

        found.envoy.script = script
        caller = await found.connect()
        caller.ask(f"{SERVICE}/ChatStream", frame(STREAM.SerializeToString()))
        await caller.head()
        first = pb.ChatStreamResponse.FromString(await caller.message())
        more.set()
        second = pb.ChatStreamResponse.FromString(await caller.message())

        assert [one.choices[0].delta.content for one in (first, second)] == ["a", "b"]
        assert json.loads(found.envoy.received[0].body)["stream_options"] == {"include_usage": True}

    run(test)


REFUSALS = [
    (401, {"code": "invalid_api_key"}, Code.UNAUTHENTICATED),
    (403, {"code": "model_not_allowed"}, Code.PERMISSION_DENIED),
    (404, {"code": "model_not_found", "param": "model"}, Code.NOT_FOUND),
    (400, {"code": "invalid_value", "param": "max_tokens"}, Code.INVALID_ARGUMENT),
    (400, {"code": "unsupported_parameter", "param": "store"}, Code.INVALID_ARGUMENT),
    (413, {"code": "request_too_large"}, Code.RESOURCE_EXHAUSTED),
    (429, {"code": "rate_limit_exceeded"}, Code.RESOURCE_EXHAUSTED),
    (429, {"code": "insufficient_quota"}, Code.RESOURCE_EXHAUSTED),
    (500, {"code": "gateway_error"}, Code.INTERNAL),
    (502, {"type": "server_error"}, Code.UNAVAILABLE),
    (503, {"code": "gateway_unavailable"}, Code.UNAVAILABLE),
    (504, {"code": "upstream_timeout"}, Code.DEADLINE_EXCEEDED),
    (529, {"code": None, "type": "overloaded_error"}, Code.UNAVAILABLE),
    (418, {}, Code.INVALID_ARGUMENT),
]


@pytest.mark.parametrize(("status", "error", "code"), REFUSALS)
@pytest.mark.parametrize("method", ["Chat", "ChatStream"])
def test_refusals_keep_their_code(
    status: int, error: dict[str, str | None], code: Code, method: str
) -> None:
    """The status is gRPC's, the reason the code of the HTTP answer, the field its path."""

    async def test(found: Facade) -> None:
        said = {"error": {"message": "Grund: größer", **error}}
        found.envoy.script = answer(status, said, retry_after="7", x_request_id="id-1")

        got = await found.call(method, ASK if method == "Chat" else STREAM)

        assert got.code == code == got.rich.code
        assert got.rich.message == "Grund: größer"
        assert got.headers["grpc-message"] == "Grund: gr%C3%B6%C3%9Fer"
        info, retry = ErrorInfo(), RetryInfo()
        assert got.rich.details[0].Unpack(info)
        assert got.rich.details[-1].Unpack(retry)
        assert info.domain == "bailiwick.dev"
        assert info.reason == (error.get("code") or error.get("type") or "provider_error")
        assert info.metadata == {"http_status": str(status), "request_id": "id-1"}
        assert retry.retry_delay.seconds == 7
        if param := error.get("param"):
            bad = BadRequest()
            assert got.rich.details[1].Unpack(bad)
            prefix = "" if method == "Chat" else "chat."
            expected = f"{prefix}extra.store" if param == "store" else f"{prefix}{param}"
            assert bad.field_violations[0].field == expected

    run(test)


def test_a_limit_is_named() -> None:
    """QuotaFailure says which limit, whose, and how much it allows."""

    async def test(found: Facade) -> None:
        limit = {
            "id": "Quota/q#tokensPerMinute", "kind": "tokensPerMinute",
            "subject": {"team": "search"}, "limit": 1000, "used": 990, "remaining": 10,
        }  # fmt: skip
        error = {"message": "full", "code": "rate_limit_exceeded", "limit": limit}
        found.envoy.script = answer(429, {"error": error}, retry_after="3")

        got = await found.call("Chat", ASK)

        quota = QuotaFailure()
        assert any(detail.Unpack(quota) for detail in got.rich.details)
        violation = quota.violations[0]
        assert violation.quota_id == "Quota/q#tokensPerMinute"
        assert violation.quota_metric == "tokensPerMinute"
        assert violation.subject == "team:search"
        assert violation.quota_value == 1000

    run(test)


@pytest.mark.parametrize("body", [b"", b"<html>", b'"text"', b"[]", b"\xff"])
def test_an_answer_that_is_no_json_object_is_an_error(body: bytes) -> None:
    """INTERNAL for a success, the HTTP status' own code for a refusal."""

    async def test(found: Facade) -> None:
        for status, code in ((200, Code.INTERNAL), (503, Code.UNAVAILABLE)):
            found.envoy.script = answer(status, body)
            assert (await found.call("Chat", ASK)).code == code
            assert (await found.call("ChatStream", STREAM)).code == code

    run(test)


def test_an_error_in_the_middle_of_a_stream_is_its_status() -> None:
    """What came before it has arrived."""

    async def test(found: Facade) -> None:
        async def script(_: Received, writer: asyncio.StreamWriter) -> None:
            error = {"error": {"message": "out of memory", "code": 503, "type": "server_error"}}
            writer.write(STREAM_HEAD + event(piece("a")) + event(error) + b"0\r\n\r\n")

        found.envoy.script = script
        got = await found.call("ChatStream", STREAM)

        assert len([one for one in got.messages if one]) == 1
        assert got.code == Code.UNAVAILABLE
        assert got.rich.message == "out of memory"

    run(test)


def test_a_stream_that_breaks_off_is_unavailable() -> None:
    """Before the head it is the gateway, behind it the provider."""

    async def test(found: Facade) -> None:
        async def cut(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(STREAM_HEAD + event(piece("a")))
            await writer.drain()
            writer.close()

        async def dead(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.close()

        for script, reason in ((cut, "upstream_unavailable"), (dead, "gateway_unavailable")):
            found.envoy.script = script
            got = await found.call("ChatStream", STREAM)
            info = ErrorInfo()
            assert got.code == Code.UNAVAILABLE
            assert got.rich.details[0].Unpack(info)
            assert info.reason == reason

    run(test)


@pytest.mark.parametrize("begun", [False, True])
def test_a_caller_that_leaves_ends_the_call_at_envoy(*, begun: bool) -> None:
    """Before the answer and in the middle of it."""

    async def test(found: Facade) -> None:
        there = asyncio.Event()

        async def script(_: Received, writer: asyncio.StreamWriter) -> None:
            if begun:
                writer.write(STREAM_HEAD + event(piece("a")))
            there.set()
            await asyncio.Event().wait()

        found.envoy.script = script
        caller = await found.connect()
        caller.ask(f"{SERVICE}/ChatStream", frame(STREAM.SerializeToString()))
        await there.wait()
        if begun:
            await caller.head()
        caller.writer.close()
        await asyncio.wait_for(found.envoy.left.wait(), WAIT)

    run(test)


def test_a_deadline_ends_the_call_here_and_at_envoy() -> None:
    """`grpc-timeout` bounds the HTTP call."""

    async def test(found: Facade) -> None:
        async def script(_: Received, __: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        found.envoy.script = script
        got = await found.call("Chat", ASK, grpc_timeout="50m")

        assert got.code == Code.DEADLINE_EXCEEDED
        await asyncio.wait_for(found.envoy.left.wait(), WAIT)

    run(test)


def test_a_slow_caller_slows_the_provider_down() -> None:
    """What waits for him here is bounded, whatever the provider sends; then all of it arrives."""

    async def test(found: Facade) -> None:
        text, count = "x" * 50_000, 400
        sent = 0

        async def script(_: Received, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(STREAM_HEAD)
            for _ in range(count):
                writer.write(event(piece(text)))
                await writer.drain()
                sent += 1
            writer.write(b"0\r\n\r\n")

        found.envoy.script = script
        caller = await found.connect(limit=1024)
        caller.ask(f"{SERVICE}/ChatStream", frame(STREAM.SerializeToString()))
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < count / 4
        got = await caller.answer()
        assert got.code == 0
        assert len(got.messages) == count

    run(test)


@pytest.mark.parametrize(
    ("frames", "headers", "code"),
    [
        (b"", {}, Code.INTERNAL),
        (frame(b"") + frame(b""), {}, Code.INTERNAL),
        (frame(b"")[:3], {}, Code.INTERNAL),
        (frame(b"\xff\xff"), {}, Code.INTERNAL),
        (b"\0" + (MAX_MESSAGE + 1).to_bytes(4, "big"), {}, Code.RESOURCE_EXHAUSTED),
        (b"\1\0\0\0\1x", {}, Code.INTERNAL),
        (b"\1\0\0\0\1x", {"grpc_encoding": "gzip"}, Code.INTERNAL),
        (b"\1\0\0\0\1x", {"grpc_encoding": "br"}, Code.UNIMPLEMENTED),
        (frame(b""), {"content_type": "application/grpc+json"}, Code.UNIMPLEMENTED),
        (
            frame(pb.ChatRequest(messages=[{}]).SerializeToString()),
            {},
            Code.INVALID_ARGUMENT,
        ),
    ],
)
def test_what_is_no_call_goes_no_further(
    frames: bytes, headers: dict[str, str], code: Code
) -> None:
    """It ends with the status that gRPC has for it, and Envoy hears nothing of it."""

    async def test(found: Facade) -> None:
        caller = await found.connect()
        caller.ask(f"{SERVICE}/Chat", frames, **headers)
        got = await asyncio.wait_for(caller.answer(), WAIT)

        assert got.code == code == got.rich.code
        assert not found.envoy.received

    run(test)


def test_a_compressed_message_is_read_and_a_bomb_is_not() -> None:
    """Gzip is taken; what swells beyond the limit is refused before it does."""

    async def test(found: Facade) -> None:
        found.envoy.script = answer(200, SAID)
        for raw, code in (
            (ASK.SerializeToString(), Code.OK),
            (b"\0" * (MAX_MESSAGE + 1), Code.RESOURCE_EXHAUSTED),
        ):
            packed = gzip.compress(raw)
            caller = await found.connect()
            caller.ask(
                f"{SERVICE}/Chat",
                b"\1" + len(packed).to_bytes(4, "big") + packed,
                grpc_encoding="gzip",
            )
            assert (await caller.answer()).code == code

    run(test)


def test_a_mistake_here_ends_one_call_and_no_other() -> None:
    """An answer that this gateway should never give itself is INTERNAL, not a call that hangs."""

    async def test(found: Facade) -> None:
        found.envoy.script = answer(200, {"data": [{"id": 7}]})
        assert (await found.call("ListModels", b"")).code == Code.INTERNAL
        found.envoy.script = answer(200, {"data": []})
        assert (await found.call("ListModels", b"")).code == Code.OK

    run(test)


def test_an_unknown_method_is_unimplemented() -> None:
    """Whatever is sent with it."""

    async def test(found: Facade) -> None:
        assert (await found.call("Nothing", b"")).code == Code.UNIMPLEMENTED
        assert (await found.call("/x.Y/Z", b"")).code == Code.UNIMPLEMENTED

    run(test)


def test_health_is_the_gateways_readiness() -> None:
    """Check answers once, Watch after each change; an unknown service is not found."""

    async def test(found: Facade) -> None:
        async def check(service: str) -> tuple[int, int]:
            got = await found.call(
                "/grpc.health.v1.Health/Check", HealthCheckRequest(service=service)
            )
            state = HealthCheckResponse.FromString(got.messages[0]).status if got.messages else -1
            return got.code, state

        serving, away = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
        assert await check("") == (0, serving)
        assert await check("bailiwick.llm.v1.LanguageModel") == (0, serving)
        assert await check("other") == (Code.NOT_FOUND, -1)
        caller = await found.connect()
        caller.ask("/grpc.health.v1.Health/Watch", frame(b""))
        await caller.head()
        assert HealthCheckResponse.FromString(await caller.message()).status == serving
        found.ready = False
        assert HealthCheckResponse.FromString(await caller.message()).status == away
        assert await check("") == (0, away)

    run(test)


def test_watchers_are_bounded_and_make_room_when_they_leave() -> None:
    """Anybody may watch, so not too many at once."""

    async def test(found: Facade) -> None:
        async def watch() -> Caller:
            caller = await found.connect()
            caller.ask("/grpc.health.v1.Health/Watch", frame(b""))
            return caller

        watchers = [await watch() for _ in range(WATCHERS)]
        for one in watchers:
            await one.head()
        assert (await (await watch()).answer()).code == Code.RESOURCE_EXHAUSTED
        watchers[0].writer.close()
        for _ in range(1000):
            if "grpc-status" not in await (await watch()).head():
                return
        raise AssertionError("nobody else may watch")

    run(test)


def test_the_end_of_the_agent_ends_calls_as_unavailable() -> None:
    """A call under way learns that it may come back."""

    async def test(found: Facade) -> None:
        there = asyncio.Event()

        async def script(_: Received, __: asyncio.StreamWriter) -> None:
            there.set()
            await asyncio.Event().wait()

        found.envoy.script = script
        caller = await found.connect()
        caller.ask(f"{SERVICE}/Chat", frame(ASK.SerializeToString()))
        await there.wait()
        await found.face.close()

        assert (await caller.answer()).code == Code.UNAVAILABLE
        await asyncio.wait_for(found.envoy.left.wait(), WAIT)

    run(test)


def test_the_socket_is_its_users_alone() -> None:
    """Nobody else can put calls on it that say they came through Envoy."""

    async def test(found: Facade) -> None:
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o600

    run(test)
