"""`python -m bailiwick_cli.echo --port 8091`: the echo provider on 127.0.0.1 until SIGTERM."""

import argparse
import asyncio
import signal

from bailiwick_cli.echo.server import start


async def _run(port: int) -> None:
    server = await start(host="127.0.0.1", port=port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    # Not awaited: wait_closed would wait for clients that keep an idle connection.
    server.close()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m bailiwick_cli.echo", description=__doc__)
    parser.add_argument("--port", type=int, default=8091)
    asyncio.run(_run(parser.parse_args().port))


main()
