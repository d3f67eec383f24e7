"""Rotation under constant load: not one failed call, and the old key's last use is known."""

import os
from pathlib import Path

from vault.rotation import Plan, rotate
from vault.vault_server import VaultServer

SECONDS = float(os.environ.get("BAILIWICK_ROTATION_SECONDS", "12"))
RATE = float(os.environ.get("BAILIWICK_ROTATION_RATE", "60"))


def test_five_rotations_under_load_fail_no_call(
    tmp_path: Path, trusting: VaultServer, token_file: Path
) -> None:
    """Add the new key, switch, withdraw the old one: streams and plain calls go on throughout.

    `make rotation` runs it for a minute with 200 calls a second.
    """
    report = rotate(Plan(seconds=SECONDS, rate=RATE, rotations=5), tmp_path, trusting, token_file)
    print(f"\n{report.text()}")

    assert report.failures == {}
    assert report.calls >= 0.95 * SECONDS * RATE
    assert report.streams > 0.2 * report.calls
    assert len(report.last_use) == 5
    # Each old key had gone out of use when the provider withdrew it.
    assert report.provider_refusals == 0
    assert all(0 <= seconds < report.overlap for seconds in report.last_use.values())
