"""Providers' keys from Secrets of the namespace, as kubelet mounts them: in memory, one file each.

The exception that a platform team may allow: such a key is in etcd.
"""

import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.key_marks import ID_SUFFIX, id_beside
from bailiwick_sidecar.keyring import KeyFact, KeyTrouble, Unattended
from bailiwick_sidecar.secrets import MAX_KEY, Absent, KeyRef, Secret, is_sendable

FOLDER: Final = Path("/var/run/secrets/bailiwick/keys")
"""In a pod: a folder for each Secret, a file for each entry."""
NO_MOUNT: Final = ""
"""The mount of references to Secrets; one to Vault has another."""

log = logging.getLogger(__name__)


class SecretKeys(Unattended):
    """The keys that the config in force names, read again at each upkeep."""

    def __init__(
        self, folder: Path = FOLDER, *, wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = folder
        self._wall = wall
        self._keys: dict[KeyRef, Secret] = {}
        self._ids: dict[KeyRef, str] = {}
        self._missing: dict[KeyRef, KeyFact] = {}
        self._wanted: frozenset[KeyRef] = frozenset()

    def get(self, ref: KeyRef) -> Secret | Absent:
        """The key as it was at the last upkeep."""
        if (found := self._keys.get(ref)) is not None:
            return found
        fact = self._missing.get(ref)
        return Absent(fact.message if fact else f"Secret {ref.path} was not read yet")

    def key_id(self, ref: KeyRef) -> str:
        """What the entry beside the key says, which is the key's own and `_id`."""
        return self._ids.get(ref, "")

    def configure(self, refs: Collection[KeyRef], vault: Vault) -> None:  # noqa: ARG002 -- the protocol's
        """Read these from now on."""
        self._wanted = frozenset(refs)
        self.refresh()

    def look_now(self) -> None:
        """Read them at once."""
        self.refresh()

    def refresh(self) -> bool:
        """Read the files; true where a key may have changed. They are few, and in memory."""
        before, old = self._keys, self._missing
        self._keys, self._missing, self._ids = {}, {}, {}
        for ref in self._wanted:
            found = self._read(ref)
            if isinstance(found, Secret):
                self._keys[ref] = found
                self._ids[ref] = self._id(ref, found)
                if found != before.get(ref):
                    log.info("event=key_read key=%s/%s source=secret", ref.path, ref.field)
                continue
            known = old.get(ref)
            since = known.since if known else self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")
            self._missing[ref] = KeyFact(ref, KeyTrouble.MISSING, "KeyMissing", since, found)
        return before != self._keys

    def facts(self) -> tuple[KeyFact, ...]:
        """The keys that are not there."""
        return tuple(self._missing[ref] for ref in sorted(self._missing, key=_order))

    def _id(self, ref: KeyRef, key: Secret) -> str:
        beside = ref.field + ID_SUFFIX
        data = self._data(ref.path, beside) or b""
        text = data.decode("ascii", errors="replace").removesuffix("\n")
        return id_beside({beside: text}, ref.field, key)

    def _data(self, secret: str, entry: str) -> bytes | None:
        try:
            with (self._folder / secret / entry).open("rb") as file:
                return file.read(MAX_KEY + 2)
        except OSError:
            return None

    def _read(self, ref: KeyRef) -> Secret | str:
        """The key, or what is missing."""
        data = self._data(ref.path, ref.field)
        if data is None:
            return (
                f"Secret {ref.path} has no entry {ref.field}, or is not there: create it; a pod"
                " sees it within a minute or two"
            )
        try:
            # What `kubectl create secret --from-file` keeps of an editor's last line.
            text = data.decode("ascii").removesuffix("\n")
        except UnicodeDecodeError:
            text = ""
        if not is_sendable(text):
            return (
                f"entry {ref.field} of Secret {ref.path} is no key: it must be visible ASCII"
                " characters"
            )
        return Secret(text)


def _order(ref: KeyRef) -> tuple[str, str]:
    return ref.path, ref.field
