"""`python -m bailiwick_sidecar`: the agent of one gateway."""

import asyncio
import logging
import os
import signal
import sys

import uvloop

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar import garbage
from bailiwick_sidecar.app import Agent
from bailiwick_sidecar.hardening import forbid_core_dumps, forbid_tracing
from bailiwick_sidecar.settings import Settings, parse


def main() -> int:
    """Run until SIGTERM or SIGINT; 1 where it cannot start."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
    )
    try:
        forbid_core_dumps()
        forbid_tracing()
        garbage.one_arena()
        settings = parse()
        for directory in (settings.run_dir, settings.state_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(settings.run_dir)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings))
    except BailiwickError as error:
        sys.stderr.write(f"bailiwick agent: {error}\n")
        return 1
    except BaseExceptionGroup as group:
        expected = group.subgroup(BailiwickError)
        if expected is None:
            raise
        sys.stderr.write(f"bailiwick agent: {expected.exceptions[0]}\n")
        return 1
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = Agent(settings)
    loop.add_signal_handler(signal.SIGHUP, agent.look_for_keys)
    await agent.run(stop)


if __name__ == "__main__":
    sys.exit(main())
