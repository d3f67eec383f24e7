"""Checked codes: the only names that reach Envoy as names."""

import re

from bailiwick_contract.errors import BailiwickError

_CODE = re.compile(r"[0-9a-f]{12}")


class TranslationError(BailiwickError):
    """A config that can't be served: the message names the part that is at fault."""


def checked_code(code: str) -> str:
    """The code itself.

    Raises:
        TranslationError: it is not twelve hex digits.
    """
    if not _CODE.fullmatch(code):
        raise TranslationError(f"{code!r} is no code of twelve hex digits: take it from names.py")
    return code
