"""`bailiwick-gateway agent | envoy | drain`: what the gateway image runs."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar import garbage
from bailiwick_sidecar.hardening import forbid_core_dumps, forbid_tracing

# What each command needs beyond this is imported by it: the drain hook must start at once.


def main() -> int:
    """Run one command; 1 where it can't start."""
    parser = argparse.ArgumentParser(prog="bailiwick-gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("agent", help="serve Envoy its configuration and its decisions")
    commands.add_parser("envoy", help="become Envoy")
    draining = commands.add_parser("drain", help="let Envoy end its calls")
    draining.add_argument("--seconds", type=float, default=120.0)
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
    )
    try:
        return _run(arguments)
    except BailiwickError as error:
        sys.stderr.write(f"bailiwick-gateway: {error}\n")
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "drain":
        from bailiwick_sidecar.pod.drain import drain  # noqa: PLC0415 - see above

        run_dir = Path(os.environ.get("BAILIWICK_RUN_DIR", "/run/bailiwick"))
        drain(run_dir / "admin.sock", seconds=arguments.seconds)
        return 0
    from bailiwick_sidecar.pod.environment import Environment  # noqa: PLC0415 - see above

    environment = Environment.read(os.environ)
    if arguments.command == "envoy":
        from bailiwick_sidecar.pod.envoy import become_envoy  # noqa: PLC0415 - see above

        become_envoy(environment)
    forbid_core_dumps()
    forbid_tracing()
    garbage.one_arena()
    import uvloop  # noqa: PLC0415 - see above

    from bailiwick_sidecar.pod.agent import run_agent  # noqa: PLC0415 - see above

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_agent(environment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
