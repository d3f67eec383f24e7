"""Vault in local mode: with a token from a file, for development."""

from pathlib import Path

from bailiwick_cli.errors import CommandError
from bailiwick_sidecar.vault.settings import Method, VaultSettings


def vault_options(
    address: str | None, token_file: Path | None, secrets: Path | None
) -> tuple[str, ...]:
    """The agents' options; none where no Vault was named.

    Raises:
        CommandError: one of the two options is missing, or there is a secrets file besides.
        VaultSettingsError: the address can't be used.
    """
    if address is None and token_file is None:
        return ()
    if address is None or token_file is None:
        raise CommandError("--vault-address and --vault-token-file belong together: give both")
    if secrets is not None:
        raise CommandError("--secrets and --vault-address exclude each other: give one of them")
    if not token_file.is_file():
        raise CommandError(
            f"there is no token file {token_file}: write one with"
            f" `vault token create -field=token > {token_file}`"
        )
    settings = VaultSettings(address, token_file.absolute(), Method.TOKEN)
    return (
        f"--vault-address={settings.address}",
        f"--vault-token-file={settings.token_file}",
        f"--vault-method={settings.method}",
    )
