"""Issuers' key sets: what is usable, and how they are kept true."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import Signer
from cryptography.hazmat.primitives.asymmetric import rsa

from bailiwick_contract.v1.tenant_config_pb2 import Issuer
from bailiwick_sidecar.jwks.fetch import FetchError, fetch
from bailiwick_sidecar.jwks.store import REFETCH_SECONDS, RETRY_SECONDS, KeySets
from bailiwick_sidecar.jwks.usable import KeySetError, usable_keys


def b64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


EC = Signer("e").jwk()
_RSA = rsa.generate_private_key(65537, 2048)
RSA = {
    "kty": "RSA", "kid": "r", "e": "AQAB", "n": b64(_RSA.public_key().public_numbers().n),
}  # fmt: skip
WEAK = b64(rsa.generate_private_key(65537, 1024).public_key().public_numbers().n)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSA, "RS256"),
        ({**RSA, "alg": "RS256", "use": "sig", "key_ops": ["verify"]}, "RS256"),
        ({**RSA, "n": RSA["n"] + "=="}, "RS256"),
        (EC, "ES256"),
        ({**EC, "alg": "ES256"}, "ES256"),
        ({name: EC[name] for name in ("kty", "crv", "x", "y")}, "ES256"),
    ],
)
def test_usable_keys_name_their_algorithm(key: dict[str, Any], alg: str) -> None:
    """RSA from 2048 bits is for RS256, P-256 for ES256, and nothing else is said of them."""
    (kept,) = json.loads(usable_keys(json.dumps({"keys": [key, {"kty": "oct", "k": "x"}]})))["keys"]

    assert (kept["alg"], kept["use"]) == (alg, "sig")
    assert kept.keys() <= {"kty", "alg", "use", "kid", "n", "e", "crv", "x", "y"}
    assert kept.get("kid") == key.get("kid")


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"},
        {**RSA, "kty": "oct"},
        {**RSA, "alg": "RS512"},
        {**RSA, "alg": "HS256"},
        {**RSA, "alg": None},
        {**RSA, "use": "enc"},
        {**RSA, "key_ops": ["encrypt"]},
        {**RSA, "key_ops": "verify"},
        {**RSA, "n": WEAK},
        {**RSA, "n": "%%%"},
        {**RSA, "n": 7},
        {**RSA, "e": "AQ"},
        {**RSA, "e": "Ag"},
        {**RSA, "kid": ["r"]},
        {**RSA, "kid": "x" * 257},
        {**EC, "crv": "P-384"},
        {**EC, "x": EC["y"], "y": EC["x"]},
        {**EC, "x": "AA"},
        {**EC, "alg": "ES384"},
        {"kty": "OKP", "crv": "Ed25519", "x": EC["x"]},
        "key",
        None,
    ],
)
def test_other_keys_are_dropped(key: object) -> None:
    """Symmetric, weak, damaged and foreign keys verify nothing; alone they make no key set."""
    kept = json.loads(usable_keys(json.dumps({"keys": [key, EC]})))["keys"]
    assert [one["kid"] for one in kept] == ["e"]

    with pytest.raises(KeySetError):
        usable_keys(json.dumps({"keys": [key]}))


def test_private_parts_are_never_kept() -> None:
    """An issuer that publishes its private key by mistake does not spread it further."""
    kept = usable_keys(json.dumps({"keys": [{**RSA, "d": "PRIVATE", "p": "PRIVATE"}]}))

    assert "PRIVATE" not in kept


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": {}}', "nope", "[" * 100_000])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    """The message says what is wrong, whatever came."""
    with pytest.raises(KeySetError):
        usable_keys(text)


class Issuers:
    """Addresses with key sets, a clock, and a count of fetches."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.answers: dict[str, bytes | None] = {}
        self.fetched: list[tuple[float, str]] = []
        self.changes = 0
        self.sets = KeySets(directory, fetch=self.fetch, clock=lambda: self.now, random=lambda: 0.5)

    async def fetch(self, uri: str) -> bytes:
        self.fetched.append((self.now, uri))
        answer = self.answers.get(uri)
        if answer is None:
            raise FetchError(f"{uri} is down")
        return answer

    def changed(self) -> None:
        self.changes += 1

    async def until(self, moment: float) -> None:
        """Let what is due until this moment happen, at its own moments."""
        task = asyncio.create_task(self.sets.run(self.changed))
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            due = [fetched.due for fetched in self.sets._fetched.values()]
            following = min((one for one in due if one > self.now), default=moment)
            if following > moment:
                break
            self.now = following
            self.sets._wake.set()
            if following == moment:
                for _ in range(20):
                    await asyncio.sleep(0)
                break
        self.now = moment
        task.cancel()


def key_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk() for signer in signers]}).encode()


def issuer(name: str = "corp", uri: str = "https://idp/jwks") -> Issuer:
    return Issuer(name=name, jwks_uri=uri)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def kids(sets: KeySets, name: str = "corp") -> list[str]:
    return [key["kid"] for key in json.loads(sets.by_issuer()[name])["keys"]]


def test_a_key_set_is_fetched_refetched_and_kept_through_an_outage_and_a_restart(
    tmp_path: Path,
) -> None:
    """The last good set holds until a newer one comes, in memory and from disk."""

    async def scenario() -> None:
        issuers = Issuers(tmp_path)
        issuers.answers["https://idp/jwks"] = key_set(Signer("one"))
        issuers.sets.configure([issuer()])
        await issuers.until(1001)
        assert kids(issuers.sets) == ["one"]
        issuers.answers["https://idp/jwks"] = key_set(Signer("two"))
        await issuers.until(1002 + REFETCH_SECONDS)
        assert kids(issuers.sets) == ["two"]
        issuers.answers.clear()
        await issuers.until(1003 + 2 * REFETCH_SECONDS)
        assert kids(issuers.sets) == ["two"]
        assert "the last good keys are used" in issuers.sets.problems()[0]
        assert issuers.changes == 2

        later = Issuers(tmp_path)
        later.sets.configure([issuer()])
        assert kids(later.sets) == ["two"]

    run(scenario)
    assert [file.stat().st_mode & 0o077 for file in tmp_path.iterdir()] == [0]


def test_an_unknown_key_fetches_again_but_not_more_often_than_each_ten_seconds(
    tmp_path: Path,
) -> None:
    """A flood of tokens with made-up keys does not become a flood at the issuer."""

    async def scenario() -> None:
        issuers = Issuers(tmp_path)
        issuers.answers["https://idp/jwks"] = key_set(Signer("one"))
        issuers.sets.configure([issuer()])
        await issuers.until(1001)
        issuers.answers["https://idp/jwks"] = key_set(Signer("two"))
        for moment in (1002, 1003, 1004, 1009, 1015, 1019, 1025):
            issuers.sets.unknown_key()
            await issuers.until(moment)
        assert kids(issuers.sets) == ["two"]
        times = [when for when, _ in issuers.fetched]
        assert times[:3] == [1000, 1010, 1020]
        assert all(b - a >= RETRY_SECONDS for a, b in pairwise(times))

    run(scenario)


def test_one_issuers_outage_and_a_bad_set_hurt_no_other(tmp_path: Path) -> None:
    """An issuer without keys is absent, says why, and is asked again soon."""

    async def scenario() -> None:
        issuers = Issuers(tmp_path)
        issuers.answers["https://ok/jwks"] = key_set(Signer("ok"))
        issuers.answers["https://bad/jwks"] = b'{"keys": [{"kty": "oct", "k": "x"}]}'
        inline = Issuer(name="inline", jwks_inline=key_set(Signer("in")).decode())
        broken = Issuer(name="broken", jwks_inline="{}")
        issuers.sets.configure(
            [
                issuer("ok", "https://ok/jwks"),
                issuer("bad", "https://bad/jwks"),
                issuer("down", "https://down/jwks"),
                inline,
                broken,
            ]
        )
        await issuers.until(1004)
        assert issuers.sets.by_issuer().keys() == {"ok", "inline"}
        problems = "\n".join(issuers.sets.problems())
        assert "broken" in problems
        assert "down: https://down/jwks is down; its tokens are refused" in problems
        assert "holds no key for RS256" in problems
        assert len([uri for _, uri in issuers.fetched if "down" in uri]) >= 3
        issuers.answers["https://down/jwks"] = key_set(Signer("d"))
        await issuers.until(1010)
        assert kids(issuers.sets, "down") == ["d"]

    run(scenario)


def test_a_changed_address_is_another_set(tmp_path: Path) -> None:
    """What was fetched from the old address does not vouch for the new one's tokens."""

    async def scenario() -> None:
        issuers = Issuers(tmp_path)
        issuers.answers["https://idp/jwks"] = key_set(Signer("one"))
        issuers.sets.configure([issuer()])
        await issuers.until(1001)
        issuers.sets.configure([issuer(uri="https://new/jwks")])
        assert issuers.sets.by_issuer() == {}

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody", b"body"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody", b"body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", b"body"),
        (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "status 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbody", "middle"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"x" * 2_000_000, "more than"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak"),
        (b"", "nothing"),
    ],
)
def test_fetching_takes_one_whole_bounded_answer(answer: bytes, expected: bytes | str) -> None:
    """200 with a whole body of at most 1 MiB; anything else is an error that says so."""

    async def scenario() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            with contextlib.suppress(ConnectionError):  # the client may have had enough
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await fetch(f"http://127.0.0.1:{port}/jwks?x=1")
        finally:
            server.close()

    if isinstance(expected, bytes):
        assert asyncio.run(scenario()) == expected
        return
    with pytest.raises(FetchError, match=expected):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "uri", ["http://idp.example/jwks", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://", "x"]
)
def test_key_sets_come_over_https_or_loopback_alone(uri: str) -> None:
    """Whoever could change a key set on its way could call as anybody."""
    with pytest.raises(FetchError, match="fetched over https"):
        asyncio.run(fetch(uri))
