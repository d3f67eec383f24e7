"""How the echo provider counts: a token is a run of characters that are no white space.

A token is at least one byte of text, so there are never more tokens than bytes.
"""

import re
from collections.abc import Sequence
from typing import Any

_PIECE = re.compile(r"\s*\S+")


def pieces(text: str) -> list[str]:
    """The text cut into tokens, each with the white space before it; joined they are the text."""
    return _PIECE.findall(text)


def tokens(text: str) -> int:
    """How many tokens the text has."""
    return len(text.split())


def text_of(content: Any) -> str:
    """The text in a message's content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def input_tokens(messages: Sequence[Any]) -> int:
    """Tokens of all messages: their text, and one for each part that is no text."""
    total = 0
    for message in messages:
        content = message.get("content")
        total += tokens(text_of(content))
        if isinstance(content, list):
            total += sum(1 for part in content if not (isinstance(part, dict) and "text" in part))
    return total


def embedding_tokens(item: Any) -> int:
    """Tokens of one input to embed: words of a text, or the length of a list of token numbers."""
    return tokens(item) if isinstance(item, str) else len(item)
