"""Answers on a gateway's port while its Envoy does not: 503 `gateway_unavailable`.

Both listen on the same port (SO_REUSEPORT). A classic BPF program attached to the group sends
every new connection to the second socket, which is Envoy's; where there is none, the kernel
falls back to the first, which is ours (see SO_ATTACH_REUSEPORT_CBPF in socket(7)). So there is
no moment in which a connection is refused, and none in which both answer.
"""

import asyncio
import ctypes
import json
import socket
import struct
import uuid

HOST = "127.0.0.1"
SO_ATTACH_REUSEPORT_CBPF = 51
BPF_RET_CONSTANT = 0x06
ENVOYS_PLACE = 1
LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 64 * 1024 * 1024
HEAD_TIMEOUT_S = 5.0
LINGER_S = 2.0
BACKLOG = 1024


def unavailable() -> bytes:
    """The whole answer: OpenAI-shaped, to be tried again in a second."""
    body = json.dumps(
        {
            "error": {
                "message": "The gateway is starting. Try again in a second.",
                "type": "server_error",
                "param": None,
                "code": "gateway_unavailable",
            }
        }
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "retry-after: 1\r\n"
        f"x-request-id: {uuid.uuid4()}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


class StandIn:
    """Holds the port from the start to the end of `up`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.settimeout(0)
            self._socket.bind((HOST, port))
            # Listening first makes it number 0 of the group.
            self._socket.listen(BACKLOG)
            _steer(self._socket)
        except OSError:
            self._socket.close()
            raise
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer whatever arrives here."""
        self._server = await asyncio.start_server(
            _answer, sock=self._socket, limit=LARGEST_HEAD, backlog=BACKLOG
        )

    def close(self) -> None:
        """Nobody answers here any more."""
        if self._server is not None:
            self._server.close()
        self._socket.close()


def _steer(listener: socket.socket) -> None:
    """New connections go to number 1 of the port's group, where there is one."""
    instruction = struct.pack("=HBBI", BPF_RET_CONSTANT, 0, 0, ENVOYS_PLACE)
    program = ctypes.create_string_buffer(instruction, len(instruction))
    # struct sock_fprog: the number of instructions, and where they are.
    described = struct.pack("@HP", 1, ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, described)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT_S)
        writer.write(unavailable())
        await writer.drain()
        writer.write_eof()
        # Closing with unread bytes would reset the connection, and the answer with it.
        async with asyncio.timeout(LINGER_S):
            left = LARGEST_BODY
            while left > 0 and (part := await reader.read(1 << 16)):
                left -= len(part)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        # A caller that says nothing, too much, or leaves.
        pass
    finally:
        writer.close()
