"""`python -m bench.faults --seed 1`: see docs/internals/faults.md."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from bench.faults.evidence import Evidence, load
from bench.faults.processes import WorldError
from bench.faults.report import judge, lines, summary
from bench.faults.run import Options, run
from bench.faults.schedule import Scale

STOPPED = 130


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
    """0 where every check holds, 1 where one does not, 2 where the run itself failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=45, help="calls a second")
    parser.add_argument("--at-once", type=int, default=48)
    parser.add_argument("--every", type=int, default=100, help="calls between two faults")
    smaller = parser.add_mutually_exclusive_group()
    smaller.add_argument(
        "--shared",
        action="store_const",
        const=Scale.SHARED,
        dest="scale",
        help="no collector and no PostgreSQL: two gateways that count together in a Redis",
    )
    smaller.add_argument(
        "--alone", action="store_const", const=Scale.ALONE, dest="scale", help="one gateway"
    )
    parser.add_argument("--disk", default="", help="keep its data on a disk in memory: 16m (root)")
    parser.add_argument("--keep", type=Path, help="keep what the run leaves in this folder")
    parser.add_argument("--check", type=Path, help="check the evidence of an earlier run instead")
    said = parser.parse_args()
    try:
        evidence = load(said.check) if said.check else _run(said)
    except WorldError as error:
        sys.stderr.write(f"the run failed, and nothing can be concluded: {error}\n")
        return 2
    except asyncio.CancelledError:
        sys.stderr.write("stopped before its end: nothing can be concluded\n")
        return STOPPED
    verdict = judge(evidence)
    for line in lines(verdict):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("\n")
    for line in summary(evidence, verdict):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"seed {evidence.seed}: {'all holds' if verdict.holds else 'BROKEN'}\n")
    return 0 if verdict.holds else 1


def _run(said: argparse.Namespace) -> Evidence:
    options = Options(
        seed=said.seed,
        count=said.calls,
        rate=said.rate,
        at_once=said.at_once,
        every=said.every,
        port=free_port(),
        disk=said.disk,
        scale=said.scale or Scale.FULL,
    )
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = said.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        evidence = asyncio.run(_unless_stopped(options, folder.absolute()))
        if said.keep:
            evidence.save(folder / "evidence.json")
    return evidence


async def _unless_stopped(options: Options, folder: Path) -> Evidence:
    """The evidence; Ctrl-C and SIGTERM end it, once everything that it started has ended."""
    running = asyncio.current_task()
    assert running is not None
    told: list[bool] = []

    def stop() -> None:
        _say("Stopping: everything that was started ends …")
        if not told:
            running.cancel()
        told.append(True)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await run(options, folder, say=_say)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    sys.exit(main())
