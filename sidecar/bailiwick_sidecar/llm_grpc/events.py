"""Server-sent events, cut from what arrives (WHATWG HTML, "Server-sent events")."""

from typing import Final

from bailiwick_contract.errors import BailiwickError

MAX_EVENT: Final = 16 * 1024 * 1024
_FIELD: Final = b"data:"


class EventTooLargeError(BailiwickError):
    """An event does not end."""


class Events:
    """The data of a stream's events. Comments, names and ids of events mean nothing here."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that are whole now.

        Raises:
            EventTooLargeError: one has more than 16 MiB.
        """
        if self._held:
            data = self._held + data
        held = b""
        if b"\r" in data:
            # A line end that may be half of one waits for the other half.
            if data.endswith(b"\r"):
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, rest = data.split(b"\n\n")
        self._held = rest + held
        if len(self._held) > MAX_EVENT:
            raise EventTooLargeError("an event is larger than 16 MiB")
        found: list[bytes] = []
        for block in blocks:
            if block.startswith(_FIELD) and b"\n" not in block:
                found.append(block[5:].strip(b" "))
            elif lines := [
                line[5:].removeprefix(b" ")
                for line in block.split(b"\n")
                if line.startswith(_FIELD)
            ]:
                found.append(b"\n".join(lines))
        return found
