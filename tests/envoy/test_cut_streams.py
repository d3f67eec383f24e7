"""A stream that gives more than was reserved ends for its caller, and is read to its own end."""

import json

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Reply

SSE = {"content-type": "text/event-stream"}
USAGE = '{"prompt_tokens":3,"completion_tokens":20,"total_tokens":23}'
END = (
    'data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"pm","choices":'
    '[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
)


def event(number: int) -> bytes:
    """One chunk."""
    said = {
        "id": "c", "object": "chat.completion.chunk", "created": 7, "model": "pm",
        "choices": [{"index": 0, "delta": {"content": f"w{number}"}}],
    }  # fmt: skip
    return f"data: {json.dumps(said, separators=(',', ':'))}\n\n".encode()


def whole(events: int) -> bytes:
    """The provider's stream."""
    last = f'data: {{"id":"c","choices":[],"usage":{USAGE}}}\n\ndata: [DONE]\n\n'
    return b"".join(map(event, range(events))) + last.encode()


def called(gateway: Gateway, chunks: list[bytes], *, cut: str, edit: str = "1") -> tuple[str, str]:
    """What the caller gets, and the stream id."""
    gateway.agent.on_admit = lambda _: allow(
        configs.stream(), configs.plan(), x_bw_edit_usage=edit, x_bw_cut=cut
    )
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=list(chunks))
    answer = gateway.chat({"model": "fast", "stream": True})
    assert answer.status_code == 200
    return answer.text, answer.headers["x-request-id"]


@pytest.mark.parametrize("edit", ["1", "hide"], ids=["shown", "hidden"])
@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_it_ends_as_the_provider_would_have_ended_it(
    gateway: Gateway, edit: str, size: int
) -> None:
    """Five events, a last chunk with finish_reason `length`, `[DONE]`; however it is split."""
    raw = whole(20)
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    text, stream_id = called(gateway, pieces, cut="5", edit=edit)

    assert text == b"".join(map(event, range(5))).decode() + END
    record = gateway.record("r", stream_id)
    assert json.loads(record["u"])["completion_tokens"] == 20, "what it cost is the provider's word"
    assert record["ev"] == 20
    assert record["done"] == 1


def test_one_that_keeps_to_it_passes_byte_for_byte(gateway: Gateway) -> None:
    """A cut that is not reached changes nothing."""
    text, _ = called(gateway, [whole(5)], cut="5")

    assert text == whole(5).decode()


def test_without_a_cut_nothing_ends_early(gateway: Gateway) -> None:
    """Routes that say nothing let every event pass."""
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan(), x_bw_edit_usage="1")
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=[whole(500)])

    assert gateway.chat({"model": "fast", "stream": True}).text == whole(500).decode()
