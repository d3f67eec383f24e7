"""What can be wrong with the shared store."""

from bailiwick_contract.errors import BailiwickError


class QuotaStoreError(BailiwickError):
    """The quota store cannot be asked; the message says why. Nothing was reserved."""


class StoreAwayError(QuotaStoreError):
    """It does not answer."""


class StoreRefusesError(QuotaStoreError):
    """It answers, and does not let this gateway in."""


class StoreIncompleteError(QuotaStoreError):
    """It answers, and what gateways used that are gone can't be put back into it yet."""


class StoreConfusedError(QuotaStoreError):
    """It answers something else than what was asked."""
