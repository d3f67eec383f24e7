"""What admission needs of the others."""

from typing import Protocol

from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.quota.model import AttemptKey


class Accounts(Protocol):
    """Attempts on the books, from intent to row."""

    async def open(self, intent: Intent) -> None:
        """Write the intent to the journal and keep it until its record comes.

        Raises:
            JournalUnwritableError: the journal cannot be written.
        """
        ...

    async def abandon(self, key: AttemptKey) -> None:
        """Void an open attempt whose admission was told to nobody: it can't leave."""
        ...

    async def ended(self, key: AttemptKey, timeout: float) -> bool:  # noqa: ASYNC109 -- the book's own signature
        """True as soon as the attempt has its row, False after `timeout` seconds without."""
        ...

    async def caught_up(self) -> None:
        """Return when every record that Envoy had written by now has been settled."""
        ...


class Watcher(Protocol):
    """Who counts what admission decides."""

    def admitted(self, intent: Intent) -> None:
        """An attempt may leave."""
        ...

    def refused(self, code: str, *, team: str, route: str, limit: str, protocol: str) -> None:
        """A call is refused; `limit` is the deciding limit's id, empty where none decided.

        `route` is empty where it was refused before one was found.
        """
        ...
