"""What the echo provider says to a legacy completion: each prompt again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick_cli.echo.chat import MOST_CHOICES, whole_number
from bailiwick_cli.echo.chat_wire import DONE
from bailiwick_cli.echo.counting import embedding_tokens, pieces
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.spoken import Spoken, sse

USUAL = 16


def complete(request: Mapping[str, Any]) -> Spoken:
    """The answer. Of `best_of` candidates, which are all the same, `n` are sent and all counted.

    Raises:
        EchoError: the request is not one.
    """
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise EchoError("'model' must be a name.", param="model")
    prompts = _prompts(request.get("prompt", ""))
    n = whole_number(request, "n", most=MOST_CHOICES) or 1
    best = whole_number(request, "best_of", most=MOST_CHOICES) or n
    cap = whole_number(request, "max_tokens") or USUAL
    suffix = request.get("suffix") or ""
    said = [pieces(prompt if isinstance(prompt, str) else json.dumps(prompt)) for prompt in prompts]
    made = sum(len(words[:cap]) for words in said) * best
    took = sum(embedding_tokens(prompt) for prompt in prompts)
    usage = {"prompt_tokens": took, "completion_tokens": made, "total_tokens": took + made}
    chosen = [
        (
            "".join(words[:cap]) + suffix,
            "length" if len(words) > cap else "stop",
            [str(prompt)] if request.get("echo") else [],
            words[:cap],
        )
        for prompt, words in zip(prompts, said, strict=True)
        for _ in range(n)
    ]

    def frame(identity: str, created: int, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": identity,
            "object": "text_completion",
            "created": created,
            "model": model,
            "choices": choices,
        }

    def choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}

    def whole(*, identity: str, created: int, usage_shown: bool) -> dict[str, Any]:
        choices = [
            choice(index, "".join(before) + text, finish)
            for index, (text, finish, before, _) in enumerate(chosen)
        ]
        answer = frame(identity, created, choices)
        return {**answer, "usage": usage} if usage_shown else answer

    def events(*, identity: str, created: int, usage_shown: bool) -> Iterator[tuple[int, bytes]]:
        options = request.get("stream_options")
        asked = isinstance(options, dict) and options.get("include_usage") is True and usage_shown
        extra = {"usage": None} if asked else {}
        for index, (_, finish, before, words) in enumerate(chosen):
            for count, piece in [*((0, prompt) for prompt in before), *((1, w) for w in words)]:
                event = frame(identity, created, [choice(index, piece, None)])
                yield count, sse({**event, **extra})
            last = frame(identity, created, [choice(index, suffix, finish)])
            yield 0, sse({**last, **extra})
        if asked:
            yield 0, sse({**frame(identity, created, []), "usage": usage})
        yield 0, DONE

    return Spoken(
        input_tokens=took,
        output_tokens=made,
        steps=max(len(words[:cap]) for words in said),
        whole=whole,
        events=events if request.get("stream") is True else None,
    )


def _prompts(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(each, int) for each in given):
            return [given]
        if all(isinstance(each, str | list) for each in given):
            return given
    raise EchoError("'prompt' must be a text, or a list of texts or token numbers.", param="prompt")
