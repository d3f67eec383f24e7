"""Which port each gateway listens on, and whether it is free."""

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence

from bailiwick_cli.errors import PortError
from bailiwick_cli.up.standin import HOST

HIGHEST = 65535


def assign(
    namespaces: Iterable[str], *, first: int, taken: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Consecutive ports from `first`, in alphabetical order of namespace.

    A namespace in `taken` keeps its port; one that appears later gets the next free one, so that
    no gateway moves while it serves.

    Raises:
        PortError: there are not that many ports.
    """
    ports = dict(taken or {})
    following = max(ports.values(), default=first - 1) + 1
    for namespace in sorted(set(namespaces) - ports.keys()):
        ports[namespace] = following
        following += 1
    if first < 1 or following - 1 > HIGHEST:
        raise PortError(
            f"ports {first} to {following - 1} are needed, one for each namespace: "
            f"choose a first port of 1 to {HIGHEST - len(ports) + 1}"
        )
    return ports


def ensure_free(port: int, *, what: str, option: str) -> None:
    """Nothing listens on the port of 127.0.0.1.

    Raises:
        PortError: something does, or the port is not ours to take.
    """
    with socket.socket() as probe:
        # As servers do it, so that connections that linger from before do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            raise busy(port, what=what, option=option, error=error) from error


def busy(port: int, *, what: str, option: str, error: OSError) -> PortError:
    """The error that names the port, what it was for, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return PortError(
            f"port {port} for {what} is in use: stop what listens there "
            f"(`ss -ltnp 'sport = :{port}'` names it), or choose another one with {option}"
        )
    return PortError(
        f"port {port} for {what} can't be used ({error.strerror}): choose another one with {option}"
    )


def overlap(ports: Sequence[tuple[str, int]]) -> None:
    """No two purposes share a port.

    Raises:
        PortError: two do.
    """
    seen: dict[int, str] = {}
    for what, port in ports:
        if port in seen:
            raise PortError(
                f"port {port} is wanted for {seen[port]} and for {what}: "
                "move one with --port, --metrics-port or --echo-port"
            )
        seen[port] = what
