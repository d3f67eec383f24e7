"""The agent's options for Vault."""

import argparse
from pathlib import Path

from bailiwick_sidecar.vault.settings import (
    MAX_AGE_S,
    MAX_STALE_S,
    POLL_S,
    Method,
    VaultSettings,
    VaultSettingsError,
)

TOKEN_FILE = Path("/var/run/secrets/bailiwick/vault/token")


def add_vault_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser know the options. No secret is among them: tokens come from files."""
    group = parser.add_argument_group("Vault", "where providers' keys are read; times in seconds")
    group.add_argument("--vault-address", help="https://HOST:PORT")
    group.add_argument("--vault-method", choices=[*Method], default=Method.KUBERNETES)
    group.add_argument("--vault-token-file", type=Path, default=TOKEN_FILE)
    group.add_argument("--vault-namespace", default="", help="of Vault Enterprise or OpenBao")
    group.add_argument("--vault-ca-file", type=Path, help="PEM; else the system's trust store")
    group.add_argument("--vault-poll", type=float, default=POLL_S)
    group.add_argument("--vault-max-stale", type=float, default=MAX_STALE_S)
    group.add_argument("--vault-max-age", type=float, default=MAX_AGE_S)


def vault_of(said: argparse.Namespace) -> VaultSettings | None:
    """The settings that the options give; None without an address.

    Raises:
        VaultSettingsError: they cannot be used.
    """
    if not said.vault_address:
        return None
    ca_file: Path | None = said.vault_ca_file
    if ca_file is not None and not ca_file.is_file():
        raise VaultSettingsError(f"--vault-ca-file {ca_file} is no file: give Vault's CA as PEM")
    return VaultSettings(
        address=said.vault_address,
        token_file=said.vault_token_file.absolute(),
        method=Method(said.vault_method),
        namespace=said.vault_namespace,
        ca_file=ca_file.absolute() if ca_file else None,
        poll=said.vault_poll,
        max_stale=said.vault_max_stale,
        max_age=said.vault_max_age,
    )
