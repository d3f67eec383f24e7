"""One keyring of two: references with a mount are Vault's, those without are Secrets'."""

from collections.abc import Collection, Iterable

from prometheus_client.core import Metric

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.file_keys import FileKeys, NoKeys
from bailiwick_sidecar.key_marks import Lent
from bailiwick_sidecar.keyring import Degraded, KeyFact, Keyring
from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.secret_files import NO_MOUNT, SecretKeys
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret
from bailiwick_sidecar.settings import Settings
from bailiwick_sidecar.vault.source import VaultKeys


class SplitKeys:
    """A Keyring that asks the one that a reference belongs to."""

    def __init__(self, vault: Keyring, secrets: Keyring) -> None:
        self._vault = vault
        self._secrets = secrets

    def get(self, ref: KeyRef) -> Secret | Absent:
        """The key as it is now."""
        return self._of(ref).get(ref)

    def lend(self, attempt: AttemptKey, ref: KeyRef) -> Lent | Absent:
        """The key for this attempt."""
        return self._of(ref).lend(attempt, ref)

    async def replaced(self, before: AttemptKey, ref: KeyRef) -> bool:
        """True where the next attempt has another key than `before`."""
        return await self._of(ref).replaced(before, ref)

    def ended(self, attempt: AttemptKey, status: int) -> None:
        """Whoever lent it knows it."""
        self._vault.ended(attempt, status)
        self._secrets.ended(attempt, status)

    def configure(self, refs: Collection[KeyRef], vault: Vault) -> None:
        """Each gets its own references."""
        self._vault.configure([ref for ref in refs if ref.mount != NO_MOUNT], vault)
        self._secrets.configure([ref for ref in refs if ref.mount == NO_MOUNT], vault)

    def look_now(self) -> None:
        """Have every key read at once."""
        self._vault.look_now()
        self._secrets.look_now()

    def refresh(self) -> bool:
        """Upkeep of both."""
        changed = self._vault.refresh()
        return self._secrets.refresh() or changed

    async def run(self) -> None:
        """Only Vault's needs to."""
        await self._vault.run()

    def degraded(self) -> tuple[Degraded, ...]:
        """What either has to say."""
        return self._vault.degraded() + self._secrets.degraded()

    def facts(self) -> tuple[KeyFact, ...]:
        """What either has to say."""
        return self._vault.facts() + self._secrets.facts()

    def figures(self) -> Iterable[Metric]:
        """Vault's: files have no versions."""
        return self._vault.figures()

    def _of(self, ref: KeyRef) -> Keyring:
        return self._secrets if ref.mount == NO_MOUNT else self._vault


def keyring_of(settings: Settings) -> Keyring:
    """The keyring of all sources that the settings name."""
    files: Keyring = FileKeys(settings.secrets) if settings.secrets else NoKeys()
    if settings.secret_files is not None:
        files = SecretKeys(settings.secret_files)
    return SplitKeys(VaultKeys(settings.vault), files) if settings.vault is not None else files
