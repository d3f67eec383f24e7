"""A collector in local mode: where rows go instead of a file of the data directory."""

from dataclasses import dataclass
from pathlib import Path

from bailiwick_cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Collecting:
    """A collector, and a folder with each gateway's token for it, named by namespace."""

    address: str
    ca: Path
    tokens: Path

    def options(self, namespace: str) -> tuple[str, ...]:
        """How this namespace's agent is told."""
        return (
            f"--collector={self.address}",
            f"--collector-ca={self.ca}",
            f"--collector-token={self.tokens / namespace}",
        )


def collecting(address: str | None, ca: Path | None, tokens: Path | None) -> Collecting | None:
    """The collector that was named; None where none was.

    Raises:
        CommandError: something of it is missing.
    """
    if address is None and ca is None and tokens is None:
        return None
    if address is None or ca is None or tokens is None:
        raise CommandError(
            "--collector, --collector-ca and --collector-tokens belong together: give all three"
        )
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()):
        raise CommandError(f"--collector {address!r} is no address: write HOST:PORT")
    if not ca.is_file():
        raise CommandError(
            f"--collector-ca {ca} is no file: name the PEM that signed the collector's certificate"
        )
    if not tokens.is_dir():
        raise CommandError(
            f"--collector-tokens {tokens} is no folder: it holds a file for each namespace, named"
            " like it, with the token of that gateway's service account for the collector"
        )
    return Collecting(address, ca.absolute(), tokens.absolute())
