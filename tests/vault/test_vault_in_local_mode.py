"""`bailiwick up` with a Vault: what the files say of it, and keys from there."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from agent.gateway_process import free_port, wait_for
from vault.vault_gateway import KeyedProvider
from vault.vault_server import ROOT, VaultServer

from bailiwick_cli.resources import check

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme"
BAILIWICK = Path(sys.executable).with_name("bailiwick")


def acme(folder: Path, **changes: Any) -> Path:
    """The example with a changed Tenant, and its provider where the changes say."""
    port = changes.pop("port", None)
    folder.mkdir(exist_ok=True)
    for file in EXAMPLE.glob("*.yaml"):
        documents = list(yaml.safe_load_all(file.read_text()))
        for one in documents:
            if one["kind"] == "Tenant":
                one["metadata"] |= changes.get("metadata", {})
                one["spec"] |= changes.get("spec", {})
            if one["kind"] == "ClusterModelProvider" and port and "openai" in str(one["metadata"]):
                one["spec"]["baseURL"] = f"http://127.0.0.1:{port}/v1"
        (folder / file.name).write_text(yaml.safe_dump_all(documents))
    return folder


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("kubernetes", "bailiwick-acme", "")),
        ({"spec": {"vault": {"authMount": "jwt"}}}, ("jwt", "bailiwick-acme", "")),
        ({"spec": {"vault": {"role": "mine"}}}, ("kubernetes", "mine", "")),
        (
            {"metadata": {"annotations": {"bailiwick.dev/rotate-keys": "2026-11-21"}}},
            ("kubernetes", "bailiwick-acme", "2026-11-21"),
        ),
    ],
)
def test_a_config_says_who_its_gateway_is(
    tmp_path: Path, changes: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """Mount and role with their defaults, and the notice of the Tenant's annotation."""
    checked = check([acme(tmp_path / "files", **changes)], now=datetime(2026, 11, 1, tzinfo=UTC))
    vault = checked.configs["acme-prod"].vault

    assert checked.violations == ()
    assert (vault.auth_mount, vault.role, vault.notice) == expected


def test_up_takes_keys_from_vault(server: VaultServer, tmp_path: Path) -> None:
    """With a token from a file; the provider gets the key that Vault has."""
    provider = KeyedProvider("sk-vault")
    server.put_key("llm/acme/openai", "sk-vault")
    token_file = tmp_path / "token"
    token_file.write_text(ROOT)
    port, data = free_port(), tmp_path / "data"
    command = [
        BAILIWICK, "up", "--file", acme(tmp_path / "files", port=provider.port),
        "--port", port, "--metrics-port", free_port(), "--data-dir", data,
        "--vault-address", server.address, "--vault-token-file", token_file,
    ]  # fmt: skip
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
    try:
        wait_for("its file", lambda: up.poll() is None and (data / "up.json").exists())
        asked = [BAILIWICK, "token", "--tenant", "acme", "--team", "search", "--data-dir", data]
        token = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

        def answer() -> str | None:
            body = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
            try:
                said = httpx.post(
                    f"http://127.0.0.1:{port}/v1/chat/completions",
                    json=body,
                    headers={"authorization": f"Bearer {token}"},
                )
            except httpx.HTTPError:
                return None
            return said.text if said.status_code == 200 else None

        wait_for("an answer", answer)
        # The poll is 30 s, and each key is read once at the start: what is new came by the notice.
        server.put_key("llm/acme/openai", "sk-newer")
        provider.valid = {"sk-vault", "sk-newer"}
        asked = [BAILIWICK, "rotate", "acme", "--local", "--data-dir", data]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert "secret/llm/acme/openai#api_key" in told
        assert answer()
        assert provider.keys()[-1] == "sk-newer"
        print(told)
        asked[2] = "nobody"
        refused = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert "it serves acme" in " ".join(refused.stderr.split())
    finally:
        up.terminate()
        up.wait(60)
        provider.close()
    assert set(provider.keys()) == {"sk-vault", "sk-newer"}
    asked[2] = "acme"
    late = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert late.returncode == 1
    assert "no `bailiwick up` runs" in " ".join(late.stderr.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--vault-address", "https://v"], "belong together"),
        (["--vault-address", "https://v", "--vault-token-file", "none"], "no token file none"),
        (["--vault-address", "http://vault.example", "--vault-token-file", "{t}"], "plain http"),
        (
            ["--vault-address", "https://v", "--vault-token-file", "{t}", "--secrets", "{t}"],
            "exclude each other",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, options: list[str], words: str
) -> None:
    """Before anything is started; the message says what to give."""
    token = tmp_path / "t"
    token.touch()
    given = [one.format(t=token) for one in options]
    command = [BAILIWICK, "up", "--file", EXAMPLE, "--data-dir", tmp_path / "d", *given]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode != 0
    assert words in " ".join(run.stderr.split())
