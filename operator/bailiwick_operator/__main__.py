"""`python -m bailiwick_operator`: the operator of a cluster."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator import memory
from bailiwick_operator.app import Operator
from bailiwick_operator.settings import load_settings

SETTINGS = Path("/etc/bailiwick/operator.yaml")


def main() -> int:
    """Run until a signal comes; 1 where it can't start."""
    parser = argparse.ArgumentParser(prog="bailiwick-operator", description=__doc__)
    parser.add_argument(
        "--settings", type=Path, default=SETTINGS, help="settings file (default: %(default)s)"
    )
    arguments = parser.parse_args()
    memory.thrifty()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("kopf", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(Operator(load_settings(arguments.settings), tidy=memory.tidy).run())
    except BailiwickError as error:
        print(f"bailiwick-operator: {error}", file=sys.stderr)  # noqa: T201 - for people
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
