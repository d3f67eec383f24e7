"""Where the collector is. Light to import: settings name it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from bailiwick_contract.errors import BailiwickError


class CollectorOptionsError(BailiwickError):
    """Options that name no collector; the message says which."""


@dataclass(frozen=True, slots=True)
class CollectorAddress:
    """Where the collector is and how both sides prove who they are.

    `ca` is read for each connection and `token` for each batch: both are renewed meanwhile.
    """

    address: str
    ca: Path
    token: Path


def add_collector_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser know the options. No token is among them: it comes from a file."""
    group = parser.add_argument_group("collector", "where ledger rows go instead of a file")
    group.add_argument("--collector", metavar="HOST:PORT", help="of its gRPC service")
    group.add_argument("--collector-ca", type=Path, help="PEM that its certificate is checked by")
    group.add_argument("--collector-token", type=Path, help="file with this gateway's token for it")


def collector_of(said: argparse.Namespace) -> CollectorAddress | None:
    """The collector that the options name; None without any.

    Raises:
        CollectorOptionsError: only some of them are there.
    """
    given = (said.collector, said.collector_ca, said.collector_token)
    if not any(given):
        return None
    if not all(given):
        raise CollectorOptionsError(
            "--collector, --collector-ca and --collector-token belong together: give all three"
        )
    return CollectorAddress(
        address=said.collector,
        ca=said.collector_ca.absolute(),
        token=said.collector_token.absolute(),
    )
