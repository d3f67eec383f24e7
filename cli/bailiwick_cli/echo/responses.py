"""What the echo provider says to a response: as to the chat that it stands for."""

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick_cli.echo.chat import ChatReply, reply_to
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.spoken import Spoken, sse


def respond(request: Mapping[str, Any]) -> Spoken:
    """The answer to a request of the Responses API.

    Raises:
        EchoError: the request is not one, or asks to keep something.
    """
    if request.get("store") is not False:
        raise EchoError("The echo provider keeps nothing: 'store' must be false.", param="store")
    for name in ("previous_response_id", "conversation", "background"):
        if request.get(name):
            raise EchoError(f"The echo provider keeps nothing: no {name!r}.", param=name)
    reply = reply_to(_as_chat(request))
    usage = {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": len(reply.said),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + len(reply.said),
    }
    answer = _Answer(request, reply, usage)
    return Spoken(
        input_tokens=reply.input_tokens,
        output_tokens=len(reply.said),
        steps=len(reply.said),
        whole=answer.whole,
        events=answer.events if reply.stream else None,
    )


def _as_chat(request: Mapping[str, Any]) -> dict[str, Any]:
    given = request.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise EchoError("'input' must be a text or a list of items.", param="input")
    said = request.get("instructions")
    messages = [{"role": "system", "content": said}] if isinstance(said, str) else []
    for item in given:
        content = item.get("content", item.get("output", item.get("arguments", "")))
        messages.append({"role": item.get("role", "tool"), "content": content})
    tools = [
        {"type": "function", "function": tool}
        for tool in request.get("tools") or ()
        if isinstance(tool, dict) and tool.get("type") == "function"
    ]
    choice = request.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    text = request.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        wanted = {"type": "json_schema", "json_schema": {"schema": wanted.get("schema")}}
    return {
        "model": request.get("model"),
        "messages": messages,
        "tools": tools,
        "tool_choice": choice,
        "response_format": wanted,
        "max_completion_tokens": request.get("max_output_tokens"),
        "stream": request.get("stream"),
    }


class _Answer:
    """The answer in the API's two forms."""

    def __init__(
        self, request: Mapping[str, Any], reply: ChatReply, usage: Mapping[str, Any]
    ) -> None:
        self.request, self.reply, self.usage = request, reply, usage

    def whole(self, *, identity: str, created: int, usage_shown: bool) -> dict[str, Any]:
        """The `response` object at its end."""
        status = "incomplete" if self.reply.cut else "completed"
        answer = self._response(identity, created, status)
        answer["output"] = [self._item(identity, status)]
        if self.reply.cut:
            answer["incomplete_details"] = {"reason": "max_output_tokens"}
        answer["usage"] = self.usage if usage_shown else None
        return answer

    def events(
        self, *, identity: str, created: int, usage_shown: bool
    ) -> Iterator[tuple[int, bytes]]:
        """The stream, its usage in the last event."""
        for number, (count, kind, facts) in enumerate(
            self._told(identity, created, usage_shown=usage_shown)
        ):
            yield count, sse({"type": kind, "sequence_number": number, **facts}, name=kind)

    def _told(
        self, identity: str, created: int, *, usage_shown: bool
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        begun = self._response(identity, created, "in_progress")
        whole = self.whole(identity=identity, created=created, usage_shown=usage_shown)
        item = self._item(identity, whole["status"])
        at = {"item_id": item["id"], "output_index": 0}
        yield 0, "response.created", {"response": begun}
        yield 0, "response.in_progress", {"response": begun}
        called = self.reply.tool is not None
        bare: dict[str, Any] = {"arguments": ""} if called else {"content": []}
        empty = {**item, "status": "in_progress", **bare}
        yield 0, "response.output_item.added", {"output_index": 0, "item": empty}
        if called:
            for piece in self.reply.said:
                yield 1, "response.function_call_arguments.delta", {**at, "delta": piece}
            arguments = {"name": self.reply.tool, "arguments": self.reply.text}
            yield 0, "response.function_call_arguments.done", {**at, **arguments}
        else:
            at["content_index"] = 0
            (part,) = item["content"]
            yield 0, "response.content_part.added", {**at, "part": {**part, "text": ""}}
            for piece in self.reply.said:
                yield 1, "response.output_text.delta", {**at, "delta": piece, "logprobs": []}
            text = {"text": self.reply.text, "logprobs": []}
            yield 0, "response.output_text.done", {**at, **text}
            yield 0, "response.content_part.done", {**at, "part": part}
        yield 0, "response.output_item.done", {"output_index": 0, "item": item}
        yield 0, f"response.{whole['status']}", {"response": whole}

    def _response(self, identity: str, created: int, status: str) -> dict[str, Any]:
        request = self.request
        return {
            "id": f"resp_{identity}",
            "object": "response",
            "created_at": created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "metadata": {},
            "model": self.reply.model,
            "output": [],
            "parallel_tool_calls": True,
            "store": False,
            "temperature": 1.0,
            "tool_choice": request.get("tool_choice") or "auto",
            "tools": request.get("tools") or [],
            "top_p": 1.0,
            "usage": None,
        }

    def _item(self, identity: str, status: str) -> dict[str, Any]:
        if self.reply.tool is not None:
            return {
                "type": "function_call",
                "id": f"fc_{identity}",
                "call_id": f"call_{identity}",
                "name": self.reply.tool,
                "arguments": self.reply.text,
                "status": status,
            }
        text = {"type": "output_text", "text": self.reply.text, "annotations": [], "logprobs": []}
        return {
            "type": "message",
            "id": f"msg_{identity}",
            "role": "assistant",
            "status": status,
            "content": [text],
        }
