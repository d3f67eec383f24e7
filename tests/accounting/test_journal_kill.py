"""The journal under kill -9 of the process that writes it."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Intent, Row
from bailiwick_sidecar.accounting.replay import Checkpoint, Cursor

CHILD = """
import itertools, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from accounting.samples import intent, row
from bailiwick_sidecar.accounting.journal import FileJournal

journal = FileJournal(Path(sys.argv[1]), segment_bytes=20_000)
list(journal.replay())
journal.roll(b"null", now=1)
for number in itertools.count():
    journal.intent(intent(f"{os.getpid()}-{number}", backend=f"backend {number % 5}"))
    os.write(1, f"i {os.getpid()}-{number}\\n".encode())
    if number >= 5:
        journal.outcome(row(f"{os.getpid()}-{number - 5}"))
        os.write(1, f"o {os.getpid()}-{number - 5}\\n".encode())
    if journal.due:
        journal.roll(b"null", now=1)
"""


@pytest.mark.parametrize("seed", range(4))
def test_acknowledged_records_survive(tmp_path: Path, seed: int) -> None:
    """Whatever the child had acknowledged when it was killed, open or ended, is found again."""
    chance = random.Random(seed)
    expected: dict[str, str] = {}
    for _ in range(2):
        acknowledged = _killed_child(tmp_path / "journal", chance.randrange(50, 3_000))
        for line in acknowledged:
            kind, _, name = line.partition(" ")
            expected[name] = kind

    with FileJournal(tmp_path / "journal") as journal:
        found = _found(list(journal.replay()))
        rows = _rows(tmp_path / "journal")
        garbage = journal.garbage

    assert garbage <= 1
    for name, kind in expected.items():
        if kind == "o":
            assert name in rows
        else:
            # The child may have written the outcome and died before it said so.
            assert found.get(name) == "i" or name in rows


def _killed_child(directory: Path, lines: int) -> list[str]:
    """What the child acknowledged before it was killed, some time after so many lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(Path(__file__).parents[1])],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        seen = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        seen += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line.rstrip("\n") for line in seen if line.endswith("\n")]


def _found(said: list[Checkpoint | Intent | Row]) -> dict[str, str]:
    """Each attempt as the replay leaves it: open or ended."""
    state: dict[str, str] = {}
    for record in said:
        match record:
            case Checkpoint():
                state = {intent.key[0]: "i" for intent in record.open}
            case Intent():
                state[record.key[0]] = "i"
            case Row():
                state[record.intent.key[0]] = "o"
    return state


def _rows(directory: Path) -> set[str]:
    """Attempts whose row is in some segment, as the ledger's writer would read them."""
    return {found.row.intent.key[0] for found in Cursor(directory, (0, 0)).read(1_000_000)}
