"""`bailiwick-collector`: takes rows; prepares the ledger's database and those who may use it."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Final

from bailiwick_contract.errors import BailiwickError

SETTINGS: Final = Path("/etc/bailiwick/collector.yaml")
URL_HELP: Final = (
    "postgresql://USER@HOST/DATABASE?sslmode=verify-full, as the schema's owner. No password:"
    " libpq reads it from PGPASSFILE or ~/.pgpass"
)


def main() -> int:
    """Run one command; 1 where it can't be done."""
    parser = argparse.ArgumentParser(prog="bailiwick-collector", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="take rows from gateways into PostgreSQL")
    serve.add_argument(
        "--settings", type=Path, default=SETTINGS, help="settings file (default: %(default)s)"
    )
    migrating = commands.add_parser("migrate", help="bring the database's schema to this release")
    reading = commands.add_parser("reader-role", help="let a role read one tenant's rows")
    adjusting = commands.add_parser(
        "adjuster-role", help="let a role read one tenant's rows, and add adjustments beside them"
    )
    for one in (reading, adjusting):
        one.add_argument("tenant", help="name of the Tenant")
        one.add_argument("--print", action="store_true", help="print the SQL, do nothing")
    for one in (migrating, reading, adjusting):
        one.add_argument("--database", default="", metavar="URL", help=URL_HELP)
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
    )
    try:
        return _run(arguments)
    except BailiwickError as error:
        sys.stderr.write(f"bailiwick-collector: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "serve":
        asyncio.run(_serve(arguments.settings))
        return 0
    from bailiwick_collector import migrating, roles  # noqa: PLC0415 - Alembic, only where used

    adjusts = arguments.command == "adjuster-role"
    if arguments.command != "migrate" and arguments.print:
        statements = roles.reader(arguments.tenant, adjusts=adjusts)
        sys.stdout.writelines(f"{one.as_string()};\n" for one in statements)
        return 0
    from bailiwick_sidecar.ledger.postgres import check_url  # noqa: PLC0415 - as above

    check_url(arguments.database)
    if arguments.command == "migrate":
        migrating.migrate(arguments.database)
        sys.stdout.write("the ledger's schema is this release's\n")
    else:
        migrating.make_reader(arguments.database, arguments.tenant, adjusts=adjusts)
        name = roles.reader_name(arguments.tenant, adjusts=adjusts)
        does = "reads and adjusts" if adjusts else "reads"
        sys.stdout.write(f"{name} {does} {arguments.tenant}\n")
    return 0


async def _serve(settings: Path) -> None:
    from bailiwick_collector.app import Collector  # noqa: PLC0415 - grpc and SQL, only where used
    from bailiwick_collector.settings import load_settings  # noqa: PLC0415 - as above
    from bailiwick_operator.kube.connection import connect  # noqa: PLC0415 - as above
    from bailiwick_operator.kube.http import HttpKube  # noqa: PLC0415 - as above

    said = load_settings(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with HttpKube(connect()) as kube:
        await Collector(said, kube).run(stop)


if __name__ == "__main__":
    sys.exit(main())
