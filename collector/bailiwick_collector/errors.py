"""What can go wrong in the collector."""

from bailiwick_contract.errors import BailiwickError


class CollectorError(BailiwickError):
    """Root of this package's errors."""


class SettingsError(CollectorError):
    """The settings file is missing or says something that is not understood."""


class DatabaseAwayError(CollectorError):
    """The database takes or gives nothing now: come again later."""


class SchemaError(CollectorError):
    """The database is not as this release needs it."""


class CredentialsError(CollectorError):
    """There is no user or password for the database."""


class BadRowError(CollectorError):
    """A row that no ledger can keep; sending it again does not help."""


class NotTheirsError(CollectorError):
    """A batch or question that names another tenant or namespace than the token's."""
