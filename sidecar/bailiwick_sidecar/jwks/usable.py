"""Which keys of a key set (RFC 7517) may verify tokens here."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final

from bailiwick_contract.errors import BailiwickError

MAX_KEYS: Final = 64
MAX_KID: Final = 256
RSA_BITS: Final = range(2048, 8193)
"""RFC 7518, section 3.3, asks for at least 2048; far larger ones only cost time."""
RSA_EXPONENTS: Final = range(3, 2**32)
COORDINATE_BYTES: Final = 32

# The curve P-256: y² = x³ - 3x + b over the field of this prime (FIPS 186-5, D.1.2.3).
_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class KeySetError(BailiwickError):
    """A key set of which nothing can be used."""


def usable_keys(text: str | bytes) -> str:
    """A key set of only the RS256 and ES256 signature keys in `text`, as compact JSON.

    Every key names its algorithm, so that no token can choose another one for it. Symmetric
    keys, private parts and everything else are left out.

    Raises:
        KeySetError: it is no key set, or none of its keys can be used.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KeySetError("the key set is no JSON") from error
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list):
        raise KeySetError('the key set has no list "keys" (RFC 7517, section 5)')
    usable = [found for key in keys[:MAX_KEYS] if (found := _usable(key)) is not None]
    if not usable:
        raise KeySetError(
            "the key set holds no key for RS256 (RSA, 2048 bits or more) or ES256 (P-256)"
        )
    return json.dumps({"keys": usable}, separators=(",", ":"))


def _usable(key: object) -> dict[str, str] | None:
    if not isinstance(key, Mapping):
        return None
    operations = key.get("key_ops")
    if key.get("use", "sig") != "sig" or (
        operations is not None and not (isinstance(operations, list) and "verify" in operations)
    ):
        return None
    found = _elliptic(key) if key.get("kty") == "EC" else _rsa(key)
    if found is None or key.get("alg", found["alg"]) != found["alg"]:
        return None
    kid = key.get("kid")
    if kid is None:
        return found
    usable = isinstance(kid, str) and 0 < len(kid) <= MAX_KID
    return {**found, "kid": kid} if usable else None


def _rsa(key: Mapping[object, object]) -> dict[str, str] | None:
    modulus, exponent = _number(key.get("n")), _number(key.get("e"))
    if key.get("kty") != "RSA" or modulus is None or exponent is None:
        return None
    if modulus[1].bit_length() not in RSA_BITS or exponent[1] not in RSA_EXPONENTS:
        return None
    if not modulus[1] & exponent[1] & 1:
        return None
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "n": modulus[0], "e": exponent[0]}


def _elliptic(key: Mapping[object, object]) -> dict[str, str] | None:
    x, y = _number(key.get("x")), _number(key.get("y"))
    if key.get("crv") != "P-256" or x is None or y is None:
        return None
    if x[2] != COORDINATE_BYTES or y[2] != COORDINATE_BYTES or max(x[1], y[1]) >= _P:
        return None
    if (y[1] ** 2 - (x[1] ** 3 - 3 * x[1] + _B)) % _P:
        return None
    return {"kty": "EC", "alg": "ES256", "use": "sig", "crv": "P-256", "x": x[0], "y": y[0]}


def _number(value: object) -> tuple[str, int, int] | None:
    """Text without padding, number and length in bytes of a base64url number."""
    if not isinstance(value, str):
        return None
    text = value.rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return text, int.from_bytes(raw, "big"), len(raw)
