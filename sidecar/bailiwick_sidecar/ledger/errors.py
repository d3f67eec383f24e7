"""What can go wrong with a ledger."""

from bailiwick_contract.errors import BailiwickError


class LedgerError(BailiwickError):
    """Root of this room's errors."""


class LedgerUnavailableError(LedgerError):
    """The database takes no rows now; they stay in the journal."""


class LedgerUnreadableError(LedgerError):
    """There is no ledger where one was looked for, or it is of another release."""


class QueryError(LedgerError):
    """A question that the ledger can't answer as it was asked."""
