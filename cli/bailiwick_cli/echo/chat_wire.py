"""A chat reply in OpenAI's shapes: one JSON object, or a list of events."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bailiwick_cli.echo.chat import ChatReply, reply_to
from bailiwick_cli.echo.spoken import Spoken

DONE = b"data: [DONE]\n\n"


def chat(request: Mapping[str, Any]) -> Spoken:
    """The answer to a chat completion request.

    Raises:
        EchoError: the request is not one.
    """
    reply = reply_to(request)
    return Spoken(
        input_tokens=reply.input_tokens,
        output_tokens=len(reply.said) * reply.choices,
        steps=len(reply.said),
        whole=partial(completion, reply),
        events=partial(events, reply) if reply.stream else None,
    )


def completion(
    reply: ChatReply, *, identity: str, created: int, usage_shown: bool
) -> dict[str, Any]:
    """The `chat.completion` object; `usage_shown` False leaves the figures out."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool is not None:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": f"call_{identity}",
                "type": "function",
                "function": {"name": reply.tool, "arguments": reply.text},
            }
        ]
    whole: dict[str, Any] = {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": reply.finish_reason,
            }
            for index in range(reply.choices)
        ],
    }
    if usage_shown:
        whole["usage"] = reply.usage()
    return whole


def events(
    reply: ChatReply, *, identity: str, created: int, usage_shown: bool
) -> Iterator[tuple[int, bytes]]:
    """Each event with the number of output tokens that it carries; `[DONE]` last."""
    asked = reply.include_usage and usage_shown
    head = {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": created,
        "model": reply.model,
    }

    def event(choices: list[dict[str, Any]], figures: dict[str, Any] | None) -> bytes:
        chunk = {**head, "choices": choices}
        if asked:
            chunk["usage"] = figures
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    def choice(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}

    every = range(reply.choices)
    for index in every:
        yield 0, event([choice(index, _opening(reply, identity))], None)
    for piece in reply.said:
        for index in every:
            yield 1, event([choice(index, _delta(reply, piece))], None)
    for index in every:
        yield 0, event([choice(index, {}, reply.finish_reason)], None)
    if asked:
        yield 0, event([], reply.usage())
    yield 0, DONE


def _opening(reply: ChatReply, identity: str) -> dict[str, Any]:
    if reply.tool is None:
        return {"role": "assistant", "content": ""}
    function = {"name": reply.tool, "arguments": ""}
    call = {"index": 0, "id": f"call_{identity}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _delta(reply: ChatReply, piece: str) -> dict[str, Any]:
    if reply.tool is None:
        return {"content": piece}
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
