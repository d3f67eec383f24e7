"""`python -m bench.faults --seed 1 --calls 10000`: see docs/internals/faults.md."""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

from bench.faults.evidence import load
from bench.faults.report import judge, lines
from bench.faults.run import Options, run
from bench.faults.world import WorldError


def free_port() -> int:
    """The first of five consecutive ports that nothing listens on."""
    for port in range(20_000 + os.getpid() % 10_000, 60_000, 5):
        with contextlib.ExitStack() as stack:
            try:
                for number in range(port, port + 5):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            return port
    raise WorldError("no free ports")


def main() -> int:
    """0 where every check holds."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=50, help="calls a second")
    parser.add_argument("--at-once", type=int, default=48)
    parser.add_argument("--every", type=int, default=300, help="calls between two faults")
    parser.add_argument(
        "--shared", action="store_true", help="two gateways that count together in a Redis"
    )
    parser.add_argument("--disk", default="", help="keep its data on a disk in memory: 16m (root)")
    parser.add_argument("--keep", type=Path, help="keep what the run leaves in this folder")
    parser.add_argument("--check", type=Path, help="check the evidence of an earlier run instead")
    said = parser.parse_args()
    if said.check:
        evidence = load(said.check)
    else:
        options = Options(
            seed=said.seed,
            count=said.calls,
            rate=said.rate,
            at_once=said.at_once,
            every=said.every,
            port=free_port(),
            disk=said.disk,
            shared=said.shared,
        )
        with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
            folder = said.keep or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            evidence = asyncio.run(run(options, folder, say=_say))
            if said.keep:
                evidence.save(folder / "evidence.json")
    verdict = judge(evidence)
    for line in lines(verdict):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"seed {evidence.seed}: {'all holds' if verdict.holds else 'BROKEN'}\n")
    return 0 if verdict.holds else 1


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    sys.exit(main())
