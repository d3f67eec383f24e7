"""What the echo provider finds of a text: it is flagged where it says "flag me"."""

from collections.abc import Mapping
from typing import Any

from bailiwick_cli.echo.counting import text_of
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.spoken import Spoken

CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual",
    "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
FLAG = "flag me"


def moderate(request: Mapping[str, Any]) -> Spoken:
    """A result for each text; it has no figures, as OpenAI's has none.

    Raises:
        EchoError: the request is not one.
    """
    given = request.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise EchoError("'input' must be a text or a list.", param="input")
    if all(isinstance(each, dict) for each in texts):
        texts = [text_of(texts)]
    results = [_result(FLAG in str(text)) for text in texts]

    def whole(*, identity: str, created: int, usage_shown: bool) -> dict[str, Any]:
        del created, usage_shown
        return {"id": identity, "model": request.get("model"), "results": results}

    return Spoken(input_tokens=0, output_tokens=0, steps=0, whole=whole)


def _result(flagged: bool) -> dict[str, Any]:  # noqa: FBT001 -- read at its one call
    return {
        "flagged": flagged,
        "categories": {name: flagged and name == "harassment" for name in CATEGORIES},
        "category_scores": dict.fromkeys(CATEGORIES, 1.0 if flagged else 0.0),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
