"""What the echo provider says to a chat: pure, the same for the same request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bailiwick_cli.echo.counting import input_tokens, pieces, text_of
from bailiwick_cli.echo.instance import minimal_json
from bailiwick_cli.echo.refusal import EchoError

MOST_CHOICES = 128


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer, the same for each of `choices`. `said` are its tokens in order."""

    model: str
    choices: int
    said: tuple[str, ...]
    tool: str | None
    """The function that is called with what is said as its arguments; None: it is content."""
    cut: bool
    """The output cap ended it."""
    input_tokens: int
    stream: bool
    include_usage: bool

    @property
    def text(self) -> str:
        """What each choice says."""
        return "".join(self.said)

    @property
    def finish_reason(self) -> str:
        """Why each choice ended, in OpenAI's words."""
        if self.cut:
            return "length"
        return "tool_calls" if self.tool is not None else "stop"

    def usage(self, *, output_tokens: int | None = None) -> dict[str, Any]:
        """The usage object; without `output_tokens` that of the whole answer."""
        output = len(self.said) * self.choices if output_tokens is None else output_tokens
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


def reply_to(request: Mapping[str, Any]) -> ChatReply:
    """The answer to a chat completion request.

    Raises:
        EchoError: the request is not one.
    """
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise EchoError("'messages' must be a list with at least one message.", param="messages")
    if not all(isinstance(message, dict) for message in messages):
        raise EchoError("Each of 'messages' must be an object.", param="messages")
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise EchoError("'model' must be a name.", param="model")
    tool = _tool(request, messages)
    heard = text_of(messages[-1].get("content"))
    if tool is not None:
        answer = minimal_json(tool.get("parameters") or {"type": "object"}, param="tools")
    else:
        answer = _formatted(request.get("response_format"), heard)
    said = pieces(answer)
    cap = whole_number(request, "max_completion_tokens") or whole_number(request, "max_tokens")
    options = request.get("stream_options")
    return ChatReply(
        model=model,
        choices=whole_number(request, "n", most=MOST_CHOICES) or 1,
        said=tuple(said[:cap]),
        tool=None if tool is None else str(tool["name"]),
        cut=cap is not None and len(said) > cap,
        input_tokens=input_tokens(messages),
        stream=request.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def whole_number(request: Mapping[str, Any], name: str, *, most: int | None = None) -> int | None:
    """The member, from 1 up; None where it is absent.

    Raises:
        EchoError: it is no such number.
    """
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise EchoError(f"'{name}' must be a whole number of at least 1.", param=name)
    if most is not None and value > most:
        raise EchoError(f"'{name}' must be at most {most}.", param=name)
    return value


def _formatted(wanted: Any, heard: str) -> str:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return "{}"
    if kind == "json_schema":
        about = wanted.get("json_schema")
        schema = about.get("schema") if isinstance(about, dict) else None
        if not isinstance(schema, dict):
            raise EchoError(
                "'response_format.json_schema.schema' must be an object.", param="response_format"
            )
        return minimal_json(schema, param="response_format")
    return heard


def _tool(request: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> Any:
    """The function to call: the one chosen, or the one that the last user message names."""
    tools = request.get("tools") or ()
    if not isinstance(tools, list | tuple):
        raise EchoError("'tools' must be a list.", param="tools")
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    if not all(isinstance(each, dict) and each.get("name") for each in functions):
        raise EchoError("Each of 'tools' must have a function with a name.", param="tools")
    choice = request.get("tool_choice", "auto")
    if not functions or choice == "none":
        return None
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name")
        named = [each for each in functions if each and each["name"] == name]
        if not named:
            raise EchoError(f"'tools' has no function {name!r}.", param="tool_choice")
        return named[0]
    if choice == "required":
        return functions[0]
    last = messages[-1]
    heard = text_of(last.get("content")) if last.get("role") == "user" else ""
    return next((each for each in functions if each and each["name"] in heard), None)
