"""Key sets (RFC 7517): only public keys that a gateway can verify with get into a config."""

import base64
import binascii
import json
from collections.abc import Mapping

import msgspec

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.conditions import Reason

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC = ("kty", "use", "alg", "kid", "n", "e", "crv", "x", "y")
_SMALLEST_RSA_BYTES = 256
_P256_BYTES = 32


class KeySetError(BailiwickError):
    """A key set that no gateway should get."""

    def __init__(self, message: str, *, cure: str, reason: Reason = Reason.INVALID) -> None:
        super().__init__(message)
        self.cure = cure
        self.reason = reason


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


def public_keys(text: str) -> str:
    """The set's RS256 and ES256 keys as canonical JSON, public members alone.

    Raises:
        KeySetError: it is no key set, has a private or symmetric key, or no key that can be used.
    """
    try:
        keys = msgspec.json.decode(text, type=_KeySet).keys
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise KeySetError(
            "it is no key set", cure='paste the JSON that the issuer serves: {"keys": […]}'
        ) from error
    if any(_PRIVATE & key.keys() or key.get("kty") == "oct" for key in keys):
        raise KeySetError(
            "it holds a private or symmetric key",
            cure="give the public keys alone, and replace that key: it has been seen",
            reason=Reason.SECRET_IN_SPEC,
        )
    usable = [_public_members(key) for key in keys if _verifies(key)]
    if not usable:
        raise KeySetError(
            "it has no key to verify RS256 (RSA, 2048 bits or more) or ES256 (P-256) with",
            cure="have the issuer sign with one of these",
        )
    usable.sort(key=lambda key: json.dumps(key, sort_keys=True))
    return json.dumps({"keys": usable}, sort_keys=True, separators=(",", ":"))


def _verifies(key: Mapping[str, object]) -> bool:
    if key.get("use", "sig") != "sig":
        return False
    match key.get("kty"):
        case "RSA":
            return (
                key.get("alg", "RS256") == "RS256"
                and len(_number(key.get("n"))) >= _SMALLEST_RSA_BYTES
                and bool(_number(key.get("e")))
            )
        case "EC":
            return (
                key.get("alg", "ES256") == "ES256"
                and key.get("crv") == "P-256"
                and len(_number(key.get("x"))) == _P256_BYTES
                and len(_number(key.get("y"))) == _P256_BYTES
            )
        case _:
            return False


def _number(value: object) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _public_members(key: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name in _PUBLIC if isinstance(value := key.get(name), str)}
