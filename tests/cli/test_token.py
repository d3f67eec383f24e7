"""Development tokens."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from bailiwick_cli.datadir import prepare, write_atomically
from bailiwick_cli.issuer import DEVELOPMENT_ISSUER, SERVICE_ACCOUNT_ISSUER, signing_key
from bailiwick_cli.token import TokenRequestError, seconds

SERVED = {
    "tenants": {
        "acme": {
            "teams": {"search": {"claimValues": [], "projects": ["ranking"]}},
            "serviceAccounts": ["acme-prod/bot"],
            "serviceAccountAudience": "llm",
        }
    }
}


def verified(token: str, data_dir: Path, *, audience: str = "bailiwick") -> dict[str, Any]:
    """The claims, checked with the data directory's own key set."""
    [key] = json.loads(signing_key(prepare(data_dir)).jwks())["keys"]
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": key["kid"], "typ": "JWT"}
    return jwt.decode(
        token, jwt.PyJWK(key), algorithms=["ES256"], audience=audience, options={"require": ["exp"]}
    )


def test_a_token_says_who_calls(bailiwick: Any, tmp_path: Path) -> None:
    """Standard output is the token alone; its claims are those that were asked for."""
    ran = bailiwick(
        "token", "--tenant", "acme", "--team", "search", "--project", "ranking",
        "--user", "ann", "--ttl", "90s",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    claims = verified(ran.out.strip(), tmp_path / ".bailiwick")
    assert claims["iss"] == DEVELOPMENT_ISSUER
    assert claims["exp"] - claims["iat"] == 90
    assert claims["nbf"] <= claims["iat"]
    said = {name: claims[name] for name in ("tenant", "team", "project", "sub")}
    assert said == {"tenant": "acme", "team": "search", "project": "ranking", "sub": "ann"}


def test_the_key_is_made_once_and_private(bailiwick: Any, tmp_path: Path) -> None:
    """Two tokens are signed with one key, which nobody else can read."""
    options = ("token", "--tenant", "acme", "--team", "search", "--data-dir", tmp_path / "d")
    first, second = (bailiwick(*options).out.strip() for _ in range(2))
    key = tmp_path / "d" / "issuer-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert verified(first, tmp_path / "d")["jti"] != verified(second, tmp_path / "d")["jti"]


def test_data_directories_do_not_trust_each_other(bailiwick: Any, tmp_path: Path) -> None:
    """A token of another data directory does not verify."""
    token = bailiwick("token", "--tenant", "a", "--team", "t", "--data-dir", tmp_path / "one").out
    [key] = json.loads(signing_key(prepare(tmp_path / "two")).jwks())["keys"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token.strip(), jwt.PyJWK(key), algorithms=["ES256"], audience="bailiwick")


def test_a_service_account_token_is_a_pods(bailiwick: Any, tmp_path: Path) -> None:
    """It names namespace and account in `sub`, and no team: the binding says that."""
    ran = bailiwick("token", "--tenant", "acme", "--service-account", "acme-prod/bot")
    claims = verified(ran.out.strip(), tmp_path / ".bailiwick")
    assert claims["iss"] == SERVICE_ACCOUNT_ISSUER
    assert claims["sub"] == "system:serviceaccount:acme-prod:bot"
    assert "team" not in claims


def test_a_service_account_token_is_for_the_served_audience(bailiwick: Any, tmp_path: Path) -> None:
    """Where `up` said what the tenant wants in `aud`, the token has it."""
    write_atomically(prepare(tmp_path / "d").serving, json.dumps(SERVED).encode())
    ran = bailiwick(
        "token", "--tenant", "acme", "--service-account", "acme-prod/bot",
        "--data-dir", tmp_path / "d",
    )  # fmt: skip
    assert verified(ran.out.strip(), tmp_path / "d", audience="llm")["aud"] == ["llm"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tenant", "acme", "--team", "search", "--project", "ranking"), ""),
        (("--tenant", "acme", "--service-account", "acme-prod/bot"), ""),
        (("--tenant", "other", "--team", "search"), "serves no tenant 'other'"),
        (("--tenant", "acme", "--team", "sales"), "has no team 'sales' (it has search)"),
        (
            ("--tenant", "acme", "--team", "search", "--project", "x"),
            "has no project 'x' (it has ranking)",
        ),
        (("--tenant", "acme", "--service-account", "acme-prod/x"), "binds no service account"),
    ],
)
def test_doubts_go_to_stderr_and_the_token_to_stdout(
    bailiwick: Any, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    """What the running gateways would refuse is a warning; the token is printed all the same."""
    write_atomically(prepare(tmp_path / "d").serving, json.dumps(SERVED).encode())
    ran = bailiwick("token", *options, "--data-dir", tmp_path / "d")
    assert ran.code == 0
    assert len(ran.out.strip().split(".")) == 3
    assert says in ran.err
    assert bool(says) == ("warning" in ran.err)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tenant", "acme"), "add --team"),
        (("--tenant", "acme", "--team", "t", "--ttl", "soon"), "no duration"),
        (("--tenant", "acme", "--team", "t", "--ttl", "0s"), "out of range"),
        (("--tenant", "acme", "--team", "t", "--ttl", "400d"), "out of range"),
        (("--tenant", "acme", "--service-account", "bot"), "not NAMESPACE/NAME"),
        (("--tenant", "acme", "--service-account", "n/b", "--team", "t"), "goes without"),
    ],
)
def test_what_can_not_be_is_named(bailiwick: Any, options: tuple[str, ...], says: str) -> None:
    """Options that make no token give one line that says what to do, and exit code 1."""
    ran = bailiwick("token", *options)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_broken_key_file_is_named_with_its_cure(bailiwick: Any, tmp_path: Path) -> None:
    """A key file that holds no key is not silently replaced."""
    data = prepare(tmp_path / "d")
    data.signing_key.write_text("no key")
    ran = bailiwick("token", "--tenant", "a", "--team", "t", "--data-dir", tmp_path / "d")
    assert ran.code == 1
    assert "delete it" in ran.err
    assert data.signing_key.read_text() == "no key"


def test_printing_the_key_shows_its_id_alone(tmp_path: Path) -> None:
    """The key's representation holds nothing of the key's private half."""
    key = signing_key(prepare(tmp_path))
    secret = key.private.private_numbers().private_value.to_bytes(32, "big")
    shown = repr(key) + str(key)
    assert key.kid in shown
    assert base64.urlsafe_b64encode(secret).decode().rstrip("=") not in shown


@pytest.mark.parametrize(
    ("text", "is_seconds"), [("30s", 30), ("15m", 900), ("1h30m", 5400), ("7d", 604800)]
)
def test_durations(text: str, is_seconds: int) -> None:
    """Numbers with units add up."""
    assert seconds(text) == is_seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "1 h", "1w"])
def test_no_durations(text: str) -> None:
    """Everything else is refused."""
    with pytest.raises(TokenRequestError):
        seconds(text)
