"""What can go wrong with the records of attempts."""

from bailiwick_contract.errors import BailiwickError


class AccountingError(BailiwickError):
    """Root of this room's errors."""


class JournalUnwritableError(AccountingError):
    """The journal took no record: nothing may leave until it does."""


class JournalUnreadableError(AccountingError):
    """What the journal keeps can't be read back."""


class JournalLockedError(AccountingError):
    """Another process holds this journal."""


class DuplicateAttemptError(AccountingError):
    """An attempt with this stream id and number is already open."""


class LogUnavailableError(AccountingError):
    """Envoy did not reopen its log, or the log can't be read."""
