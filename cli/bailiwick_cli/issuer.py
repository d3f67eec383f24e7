"""The development issuers: a key in the data directory, and the tokens signed with it.

One issuer is for users, one stands for a cluster's issuer of service-account tokens. Only
`bailiwick up` hands them to the compiler, with the key set of its own data directory; no cluster
ever trusts them.
"""

import json
import os
import uuid
from dataclasses import dataclass
from hashlib import sha256

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_encode

from bailiwick_cli.datadir import DataDir
from bailiwick_cli.errors import CommandError

DEVELOPMENT_ISSUER = "urn:bailiwick:development"
SERVICE_ACCOUNT_ISSUER = "urn:bailiwick:development:service-accounts"
AUDIENCE = "bailiwick"
SKEW_S = 5
"""`nbf` lies this far back, for clocks that differ a little."""


class SigningKeyError(CommandError):
    """The development key can't be read."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An ES256 key (RFC 7518, section 3.4). Printing it shows its id alone."""

    private: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 7517)."""
        numbers = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": numbers["x"],
            "y": numbers["y"],
            "kid": self.kid,
            "alg": "ES256",
            "use": "sig",
        }

    @property
    def kid(self) -> str:
        """The key's RFC 7638 thumbprint."""
        numbers = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        members = {name: numbers[name] for name in ("crv", "kty", "x", "y")}
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return base64url_encode(sha256(canonical.encode()).digest()).decode()

    def jwks(self) -> str:
        """The key set (RFC 7517, section 5) that verifies what this key signs."""
        return json.dumps({"keys": [self.public_jwk()]}, separators=(",", ":"))

    def sign(self, claims: dict[str, object]) -> str:
        """A compact JWT (RFC 7519) with these claims."""
        return jwt.encode(claims, self.private, algorithm="ES256", headers={"kid": self.kid})


def signing_key(data: DataDir) -> SigningKey:
    """The data directory's key; made once, readable by its owner alone.

    Raises:
        SigningKeyError: the file is there but holds no such key.
    """
    path = data.signing_key
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = _create(data)
    except OSError as error:
        raise SigningKeyError(
            f"{path} can't be read ({error.strerror}): make it readable, or delete it and "
            "start `bailiwick up` again; tokens given out before are then refused"
        ) from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"{path} holds no private key: delete it and start `bailiwick up` again; "
            "tokens given out before are then refused"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise SigningKeyError(f"{path} holds no P-256 key: delete it and start again")
    return SigningKey(private=key)


def _create(data: DataDir) -> bytes:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    temporary = data.signing_key.with_name(f".{data.signing_key.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    try:
        # Of two commands that create it at once, the first wins and both use its key.
        os.link(temporary, data.signing_key)
    except FileExistsError:
        return data.signing_key.read_bytes()
    finally:
        temporary.unlink()
    return pem


def user_claims(
    *, tenant: str, team: str, project: str | None, user: str, now: int, ttl: int
) -> dict[str, object]:
    """Claims of a person or program that calls as `user`. Times in seconds since the epoch."""
    claims = _claims(DEVELOPMENT_ISSUER, subject=user, now=now, ttl=ttl)
    claims |= {"tenant": tenant, "team": team}
    if project is not None:
        claims["project"] = project
    return claims


def service_account_claims(
    *, namespace: str, name: str, audience: str, now: int, ttl: int
) -> dict[str, object]:
    """Claims as in a pod's projected service-account token. Times in seconds since the epoch."""
    subject = f"system:serviceaccount:{namespace}:{name}"
    claims = _claims(SERVICE_ACCOUNT_ISSUER, subject=subject, now=now, ttl=ttl)
    claims["aud"] = [audience]
    claims["kubernetes.io"] = {"namespace": namespace, "serviceaccount": {"name": name}}
    return claims


def _claims(issuer: str, *, subject: str, now: int, ttl: int) -> dict[str, object]:
    return {
        "iss": issuer,
        "aud": [AUDIENCE],
        "sub": subject,
        "iat": now,
        "nbf": now - SKEW_S,
        "exp": now + ttl,
        "jti": str(uuid.uuid4()),
    }
