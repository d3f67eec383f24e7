"""An identity provider on this machine: keys, tokens, a key set that can change or go away."""

import base64
import http.server
import json
import threading
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://idp.acme.example"


class SigningKey:
    """A key pair with a name."""

    def __init__(self, kid: str, algorithm: str = "RS256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            if algorithm.startswith("RS")
            else ec.generate_private_key(ec.SECP256R1())
        )

    def public(self) -> dict[str, Any]:
        """The public half as a JSON Web Key."""
        convert = RSAAlgorithm if self.algorithm.startswith("RS") else ECAlgorithm
        key = convert.to_jwk(self.private.public_key(), as_dict=True)
        return {**key, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def token(
        self, *, drop: tuple[str, ...] = (), header: dict[str, Any] | None = None, **more: Any
    ) -> str:
        """A good token of team search, with these claims changed or dropped."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "llm.acme.example",
            "sub": "u1",
            "exp": now + 600,
            "iat": now,
            "tenant_id": "acme",
            "team_id": "search",
            **more,
        }
        kept = {name: value for name, value in claims.items() if name not in drop}
        named = {"kid": self.kid, **(header or {})}
        return jwt.encode(kept, self.private, algorithm=self.algorithm, headers=named)


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class KeySet:
    """Serves a key set over HTTP, as long as it is up."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.up = True
        self.fetches = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches += 1
                if not outer.up:
                    self.send_error(503)
                    return
                body = json.dumps({"keys": [key.public() for key in outer.keys]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
