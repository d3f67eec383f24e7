"""grpcio's blocking client on a real gateway."""

import json
import re
import threading

import grpc
import httpx
import pytest
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from running import wait_for
from serving import ONCE, Served, ask, streamed, trailer

from bailiwick.llm.refusal import refusal_of
from bailiwick.llm.v1 import llm_pb2 as pb


def test_chat_answers_and_is_accounted_as_grpc(served: Served) -> None:
    """Content, usage, limits, id; its row differs from one by HTTP in `protocol` alone."""
    answer, call = served.stub.Chat.with_call(ask({"tokens": 7}), metadata=served.metadata())

    assert answer.choices[0].message.content == " w" * 7
    assert answer.choices[0].finish_reason == pb.FINISH_REASON_STOP
    assert answer.usage.completion_tokens == 7
    assert trailer(call, "x-usage-completion-tokens") == "7"
    request_id = trailer(call, "x-request-id")
    assert dict(call.initial_metadata())["x-request-id"] == request_id
    row = served.row(request_id)
    assert (row["protocol"], row["state"], row["output_tokens"]) == ("grpc", "settled", 7)
    assert (row["operation"], row["team"], row["user"]) == ("chat", "search", "u1")
    assert any(one["id"] == request_id for one in served.source.attempts())


def test_rows_and_metrics_differ_from_https_by_the_protocol_alone(served: Served) -> None:
    """The same question both ways makes the same row."""
    body = {
        "model": "fast", "messages": [{"role": "user", "content": "{}"}], "max_tokens": 64,
    }  # fmt: skip
    headers = {"authorization": f"Bearer {served.token()}"}
    with httpx.Client() as client:
        answer = client.post(
            f"{served.up.url()}/v1/chat/completions",
            content=json.dumps(body, separators=(",", ":")),
            headers=headers | {"content-type": "application/json"},
        )
    _, call = served.stub.Chat.with_call(ask(), metadata=served.metadata())

    by_http = served.row(answer.headers["x-request-id"])
    by_grpc = served.row(trailer(call, "x-request-id"))
    own = {"stream_id", "admitted_at", "ended_at", "duration_ms", "first_byte_ms"}
    assert {name for name in by_http if by_http[name] != by_grpc[name]} - own == {"protocol"}
    said = served.up.scrape()
    for name in ("bailiwick_requests_total", "bailiwick_attempts_total"):
        for protocol in ("http", "grpc"):
            assert re.search(rf'^{name}{{.*protocol="{protocol}"', said, re.MULTILINE)


def test_a_key_is_charged_once_both_ways(served: Served) -> None:
    """`idempotency-key` as metadata: the same answer again, and another call is refused."""
    metadata = [*served.metadata(), ("idempotency-key", "once")]
    first, _ = served.stub.Chat.with_call(ask({"tokens": 3}), metadata=metadata)
    seen = len(served.source.attempts())

    again, _ = served.stub.Chat.with_call(ask({"tokens": 3}), metadata=metadata)
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Chat.with_call(ask({"tokens": 4}), metadata=metadata)

    assert again == first
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal_of(caught.value).code == "idempotency_mismatch"
    assert len(served.source.attempts()) == seen


def test_a_stream_comes_in_pieces_with_usage_in_the_last(served: Served) -> None:
    """As many pieces as the provider sent; usage without being asked for."""
    call = served.stub.ChatStream(streamed({"tokens": 5}), metadata=served.metadata())
    pieces = list(call)

    text = "".join(choice.delta.content for one in pieces for choice in one.choices)
    assert text == " w" * 5
    assert [one.HasField("usage") for one in pieces] == [False] * (len(pieces) - 1) + [True]
    assert trailer(call, "x-usage-completion-tokens") == "5"
    row = served.row(trailer(call, "x-request-id"))
    assert (row["state"], row["stream"], row["output_tokens"]) == ("settled", 1, 5)


def test_pieces_arrive_while_the_provider_still_thinks(served: Served) -> None:
    """The first piece is there although the last has not been sent."""
    call = served.stub.ChatStream(
        streamed({"tokens": 50, "chunk_delay": 0.1}), metadata=served.metadata()
    )
    first = next(call)
    still = served.source.control("state")["inflight"]
    call.cancel()

    assert first.choices[0].delta.content == " w"
    assert still >= 1


def test_a_cancelled_stream_is_settled_with_what_was_delivered(served: Served) -> None:
    """The provider sees the caller leave; the row is an estimate of what came through."""
    call = served.stub.ChatStream(
        streamed({"tokens": 60, "chunk_delay": 0.05}), metadata=served.metadata()
    )
    seen = [next(call) for _ in range(6)]
    request_id = dict(call.initial_metadata())["x-request-id"]
    call.cancel()

    def attempt() -> dict[str, object] | None:
        return next((a for a in served.source.attempts() if a["id"] == request_id), None)

    left = wait_for("the provider sees it", attempt)
    row = served.row(request_id)
    assert left["end"] == "caller_left"
    assert row["state"] == "estimated"
    assert row["reason"] == "client_disconnect"
    assert len(seen) <= row["output_tokens"] < 60


def test_a_deadline_ends_the_attempt(served: Served) -> None:
    """DEADLINE_EXCEEDED at the client; the provider is left, and nothing hangs."""
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Chat(ask({"delay": 30}), metadata=served.metadata(), timeout=0.5)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for("nothing in flight", lambda: served.source.control("state")["inflight"] == 0, 10)
    assert served.source.attempts()[-1]["end"] == "caller_left"


def test_embeddings_models_and_usage(served: Served) -> None:
    """Vectors; the models of this team alone; its limits."""
    vectors = served.stub.Embed(
        pb.EmbedRequest(model="fast", input=["a", "b"]), metadata=served.metadata()
    )
    models = served.stub.ListModels(pb.ListModelsRequest(), metadata=served.metadata())
    usage = served.stub.GetUsage(pb.GetUsageRequest(), metadata=served.metadata(ONCE))

    assert list(vectors.data[0].embedding) == pytest.approx([0.6, 0.8])
    assert vectors.usage.prompt_tokens > 0
    assert [one.id for one in models.data] == ["echo", "fast"]
    assert (usage.caller.team, usage.caller.user) == ("search", ONCE)
    limit = next(one for one in usage.data if one.id == "Quota/once#requestsPerMinute")
    assert (limit.limit, limit.mode) == ("1", pb.LIMIT_MODE_ENFORCE)


def test_what_the_caller_says_reaches_the_provider(served: Served) -> None:
    """A 64-bit seed keeps its bits, `extra` stands beside it, tags do not pass."""
    said = ask({"keep": True}, seed=9007199254740993, metadata={"feature_name": "typed"})
    said.extra.update({"top_k": 40})
    _, call = served.stub.Chat.with_call(said, metadata=served.metadata())

    request_id = trailer(call, "x-request-id")
    raw = next(one for one in served.source.attempts() if one["id"] == request_id)["raw"]
    assert raw["seed"] == 9007199254740993
    assert raw["top_k"] == 40
    assert "metadata" not in raw
    assert served.row(request_id)["tags"] == {"feature_name": "typed"}


def test_tags_may_come_as_metadata(served: Served) -> None:
    """The same header as by HTTP."""
    metadata = served.metadata(x_bailiwick_tags="feature_name=header")
    _, call = served.stub.Chat.with_call(ask(), metadata=metadata)

    assert served.row(trailer(call, "x-request-id"))["tags"] == {"feature_name": "header"}


def test_a_limit_refuses_with_all_that_a_client_needs(served: Served) -> None:
    """RESOURCE_EXHAUSTED, the code, the limit, when to come back; the provider hears nothing."""
    served.stub.Chat(ask(), metadata=served.metadata(ONCE))
    before = len(served.source.attempts())
    for call in (
        lambda: served.stub.Chat(ask(), metadata=served.metadata(ONCE)),
        lambda: list(served.stub.ChatStream(streamed(), metadata=served.metadata(ONCE))),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        refusal = refusal_of(caught.value)

        assert refusal.status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal.code == "rate_limit_exceeded"
        assert refusal.retry_after is not None
        assert 0 < refusal.retry_after <= 60
        assert [one.id for one in refusal.limits] == ["Quota/once#requestsPerMinute"]
        assert refusal.request_id
        assert trailer(caught.value, "x-ratelimit-remaining-requests") == "0"
    assert len(served.source.attempts()) == before


@pytest.mark.parametrize(
    ("request_", "status", "code", "field"),
    [
        (ask(model="nothing"), "NOT_FOUND", "model_not_found", "model"),
        (ask(model="premium"), "PERMISSION_DENIED", "model_not_allowed", ""),
        (ask(max_tokens=-1), "INVALID_ARGUMENT", "invalid_value", "max_tokens"),
        (pb.ChatRequest(), "INVALID_ARGUMENT", "missing_required_parameter", "model"),
        (ask(service_tier="flex"), "INVALID_ARGUMENT", "unsupported_parameter", "service_tier"),
        (ask({"status": 500}), "INTERNAL", "told", ""),
        (ask({"status": 503}), "UNAVAILABLE", "told", ""),
    ],
)
def test_refusals(
    served: Served, request_: pb.ChatRequest, status: str, code: str, field: str
) -> None:
    """The gateway's and the provider's, each with its code and the field at fault."""
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Chat(request_, metadata=served.metadata())

    refusal = refusal_of(caught.value)
    assert (refusal.status.name, refusal.code) == (status, code)
    assert not field or field in refusal.fields


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", "Bearer nonsense"),), (("authorization", "Basic dTpw"),)],
)
def test_nobody_unknown_is_served(served: Served, metadata: tuple[tuple[str, str], ...]) -> None:
    """UNAUTHENTICATED for every method but health; reflection asks for a token too."""
    reflect = served.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    )
    calls = (
        lambda: served.stub.Chat(ask(), metadata=metadata),
        lambda: list(served.stub.ChatStream(streamed(), metadata=metadata)),
        lambda: served.stub.ListModels(pb.ListModelsRequest(), metadata=metadata),
        lambda: served.stub.GetUsage(pb.GetUsageRequest(), metadata=metadata),
        lambda: list(reflect(iter([b""]), metadata=metadata)),
    )
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        refusal = refusal_of(caught.value)
        assert refusal.status is grpc.StatusCode.UNAUTHENTICATED
        assert refusal.code == "invalid_api_key"
        assert "jwt" in trailer(caught.value, "x-bailiwick-reason").lower()


def test_a_caller_cannot_speak_for_another_protocol_or_id(served: Served) -> None:
    """Internal headers and the request id of a caller count for nothing."""
    forged = "11111111-2222-4333-8444-555555555555"
    metadata = served.metadata(x_bw_protocol="http", x_request_id=forged, x_bw_jwt="e30")
    _, call = served.stub.Chat.with_call(ask(), metadata=metadata)

    request_id = trailer(call, "x-request-id")
    assert request_id != forged
    assert served.row(request_id)["protocol"] == "grpc"


def test_http_cannot_pass_for_grpc(served: Served) -> None:
    """The header that says `grpc` is removed from a call by HTTP."""
    headers = {"authorization": f"Bearer {served.token()}", "x-bw-protocol": "grpc"}
    body = {"model": "fast", "messages": [{"role": "user", "content": "{}"}]}
    with httpx.Client() as client:
        url = f"{served.up.url()}/v1/chat/completions"
        answer = client.post(url, json=body, headers=headers)

    assert served.row(answer.headers["x-request-id"])["protocol"] == "http"


def test_a_large_message_passes_and_one_too_large_does_not(served: Served) -> None:
    """Ten megabytes arrive at the provider; more than 16 MiB are RESOURCE_EXHAUSTED."""
    options = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
    with grpc.insecure_channel(served.target, options=options) as channel:
        stub = type(served.stub)(channel)
        large = ask()
        large.messages.add(role=pb.ROLE_USER, content="x" * 10_000_000)
        large.messages.add(role=pb.ROLE_USER, content="{}")
        assert stub.Chat(large, metadata=served.metadata()).usage.prompt_tokens > 2_000_000
        large.messages.add(role=pb.ROLE_USER, content="x" * 8_000_000)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Chat(large, metadata=served.metadata())

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal_of(caught.value).code == "request_too_large"


def test_health_needs_no_token(served: Served) -> None:
    """A load balancer asks for it by the standard service."""
    answer = HealthStub(served.channel).Check(HealthCheckRequest())

    assert answer.status == HealthCheckResponse.SERVING


def test_many_streams_share_one_connection(served: Served) -> None:
    """Twenty at once over one channel, each with all of its own pieces."""
    found: dict[int, int] = {}

    def one(index: int) -> None:
        call = served.stub.ChatStream(streamed({"tokens": index}), metadata=served.metadata())
        found[index] = sum(bool(c.delta.content) for piece in call for c in piece.choices)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {index: index for index in range(1, 21)}


def test_details_are_consistent_with_the_status(served: Served) -> None:
    """Code and message stand twice; clients that compare them find them equal."""
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Chat(ask(max_tokens=-1), metadata=served.metadata())

    rich = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    assert rich.code == INVALID_ARGUMENT
    assert rich.message == caught.value.details()
