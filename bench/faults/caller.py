"""The callers: they send a run's calls, some hang up, and each writes down what it saw."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import httptools
from bench.faults.evidence import Seen
from bench.faults.plan import Call, Repeat

PATIENCE_S: Final = 60.0
"""How long a caller waits for an answer; longer than any timeout of the gateway."""
AWAY_S: Final = (0.2, 1.0)
"""How long callers leave a gateway alone that one found away, first and at most: its Retry-After,
in a run's haste."""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.events = 0
        self.leave_events: int | None = None
        self.done = asyncio.get_running_loop().create_future()
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.closed = True
        self._end("broken")

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._end("broken")
        if self.leave_events is not None and self.events >= self.leave_events:
            self._end("left")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.events += body.count(b"data:")
        self.body += body

    def on_message_complete(self) -> None:
        self._end("complete")

    def send(self, request: bytes, *, leave_events: int | None) -> "asyncio.Future[str]":
        """How it ends."""
        self.parser = httptools.HttpResponseParser(self)
        self.status, self.headers, self.events = 0, {}, 0
        self.body = bytearray()
        self.leave_events = leave_events
        self.done = asyncio.get_running_loop().create_future()
        if self.closed:
            self._end("broken")
        else:
            self.transport.write(request)
        return self.done

    def _end(self, how: str) -> None:
        if not self.done.done():
            self.done.set_result(how)


class Callers:
    """Sends calls at an even pace; `begun` says how many have begun, `seen` what became of them."""

    def __init__(
        self, ports: Sequence[int], tokens: Mapping[str, str], *, rate: float, at_once: int
    ) -> None:
        """`ports` are the gateways', which calls go to by turns."""
        self.seen: list[Seen] = []
        self.begun = 0
        self._ports = ports
        self._tokens = tokens
        self._rate = rate
        self._turn = asyncio.Semaphore(at_once)
        self._idle: dict[int, list[Connection]] = {port: [] for port in ports}
        self._ids: dict[int, str] = {}
        self._away_until = [0.0] * len(ports)
        self._away_for = [AWAY_S[0]] * len(ports)

    async def run(self, calls: Sequence[Call]) -> None:
        """Every call has been made. Where all gateways are away, the others wait for a moment."""
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for call in calls:
                due = max(due + 1 / self._rate, min(self._away_until))
                await asyncio.sleep(due - time.monotonic())
                due = max(due, time.monotonic() - 1)
                await self._turn.acquire()
                self.begun += 1
                group.create_task(self._one(call))
        for connections in self._idle.values():
            for connection in connections:
                connection.transport.close()

    async def _one(self, call: Call) -> None:
        try:
            seen = await self._make(call)
            self.seen.append(seen)
            self._learn(seen)
        finally:
            self._turn.release()

    async def _make(self, call: Call) -> Seen:
        body = call.body()
        sent = time.time()
        gateway = self._gateway(call.number)
        port = self._ports[gateway]
        said_id = call.made_up_id
        if call.repeat is Repeat.REPLAY and call.of is not None:
            said_id = self._ids.get(call.of, said_id)
        seen = partial(_seen, call, body, sent=sent, gateway=gateway, said_id=said_id)
        connection = await self._connection(port)
        if connection is None:
            return seen(end="refused")
        answer = connection.send(self._request(call, body, said_id), leave_events=call.leave_events)
        end = "left"
        try:
            patience = PATIENCE_S if call.leave_s is None else call.leave_s
            end = await asyncio.wait_for(asyncio.shield(answer), patience)
        except TimeoutError:
            if call.leave_s is None:
                end = "broken"
        if end == "complete" and connection.headers.get("connection") != "close":
            self._idle[port].append(connection)
        elif call.abrupt:
            connection.transport.abort()
        else:
            connection.transport.close()
        if request_id := connection.headers.get("x-request-id"):
            self._ids[call.number] = request_id
        return seen(end=end, connection=connection)

    def _learn(self, seen: Seen) -> None:
        gateway, now = seen.gateway, time.monotonic()
        if seen.end != "refused" and seen.code != "gateway_unavailable":
            self._away_for[gateway] = AWAY_S[0]
        elif now >= self._away_until[gateway]:
            # One of those that were under way together says it for all of them.
            self._away_until[gateway] = now + self._away_for[gateway]
            self._away_for[gateway] = min(2 * self._away_for[gateway], AWAY_S[1])

    def _gateway(self, number: int) -> int:
        """By turns, past those that were found away a moment ago."""
        turn = number % len(self._ports)
        now = time.monotonic()
        return min(
            range(len(self._ports)),
            key=lambda one: (self._away_until[one] > now, (one - turn) % len(self._ports)),
        )

    async def _connection(self, port: int) -> Connection | None:
        while self._idle[port]:
            connection = self._idle[port].pop()
            if not connection.closed:
                return connection
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, "127.0.0.1", port
            )
        except OSError:
            return None
        return connection

    def _request(self, call: Call, body: bytes, said_id: str) -> bytes:
        tags = f"x-bailiwick-tags: {call.tags}\r\n" if call.tags else ""
        head = (
            f"POST {call.path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self._tokens[call.user]}\r\n{tags}"
            f"x-request-id: {said_id}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _seen(
    call: Call,
    body: bytes,
    *,
    sent: float,
    gateway: int,
    said_id: str,
    end: str,
    connection: Connection | None = None,
) -> Seen:
    status = connection.status if connection is not None else 0
    error = _error(connection) if connection is not None and status >= 400 else {}
    return Seen(
        call=call.number,
        user=call.user,
        team=call.team,
        kind=call.kind.value,
        bytes=len(body),
        cap=call.cap,
        sent=sent,
        ended=time.time(),
        status=status,
        end=end,
        request_id=connection.headers.get("x-request-id", "") if connection is not None else "",
        code=str(error.get("code", "")),
        limit=error.get("limit"),
        gateway=gateway,
        repeat=call.repeat.value if call.repeat else "",
        said_id=said_id,
    )


def _error(connection: Connection) -> dict[str, Any]:
    try:
        said = json.loads(connection.body)
    except ValueError:
        return {}
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) else {}
