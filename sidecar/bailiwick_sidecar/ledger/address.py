"""Where the collector is. Light to import: settings name it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CollectorAddress:
    """Where the collector is and how both sides prove who they are.

    `ca` is read for each connection and `token` for each batch: both are renewed meanwhile.
    """

    address: str
    ca: Path
    token: Path
