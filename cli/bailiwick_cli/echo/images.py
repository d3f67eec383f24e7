"""Images of the echo provider: one white pixel each, with figures as gpt-image models give them."""

from collections.abc import Mapping
from typing import Any

from bailiwick_cli.echo.chat import whole_number
from bailiwick_cli.echo.counting import tokens
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.spoken import Spoken

MOST = 10
EACH = 272
"""Tokens of one image: those of a small one at the lowest quality."""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/58BAAMDAQAnYzMwAAAAAElFTkSuQmCC"
)


def draw(request: Mapping[str, Any]) -> Spoken:
    """`n` images; a model whose name ends in -mute says no usage, as those priced each.

    Raises:
        EchoError: the request is not one.
    """
    prompt = request.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise EchoError("'prompt' must be a text.", param="prompt")
    n = whole_number(request, "n", most=MOST) or 1
    took, made = tokens(prompt), EACH * n
    usage = {
        "input_tokens": took,
        "input_tokens_details": {"text_tokens": took, "image_tokens": 0},
        "output_tokens": made,
        "total_tokens": took + made,
    }

    def whole(*, identity: str, created: int, usage_shown: bool) -> dict[str, Any]:
        del identity
        answer: dict[str, Any] = {
            "created": created,
            "data": [{"b64_json": PIXEL} for _ in range(n)],
        }
        return {**answer, "usage": usage} if usage_shown else answer

    return Spoken(input_tokens=took, output_tokens=made, steps=0, whole=whole)
