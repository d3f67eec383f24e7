"""The key sets in use: refetched, refreshed when a token names an unknown key, kept on disk."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import Issuer
from bailiwick_sidecar.config.files import replace_file
from bailiwick_sidecar.jwks.fetch import FetchError
from bailiwick_sidecar.jwks.usable import KeySetError, usable_keys

REFETCH_SECONDS: Final = 300.0
RETRY_SECONDS: Final = 10.0
"""After a failure, and the least time between two fetches of one address whatever happens."""
FIRST_RETRY_SECONDS: Final = 1.0
"""After a failure while there is no key set at all: nobody can call meanwhile."""
FIRST_RETRIES: Final = 10
JITTER: Final = 0.2

Fetch = Callable[[str], Awaitable[bytes]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Fetched:
    """One address: its last good key set, and how it stands."""

    uri: str
    keys: str = ""
    error: str = ""
    due: float = 0.0
    tried: float = float("-inf")
    failures: int = 0


class KeySets:
    """Key sets by issuer. `clock` is monotonic seconds, `random` gives numbers in [0, 1)."""

    def __init__(
        self,
        directory: Path,
        *,
        fetch: Fetch,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._fetch = fetch
        self._clock = clock
        self._random = random
        self._inline: dict[str, str] = {}
        self._uris: dict[str, str] = {}
        self._fetched: dict[str, Fetched] = {}
        self._problems: dict[str, str] = {}
        self._wake = asyncio.Event()

    def configure(self, issuers: Iterable[Issuer]) -> None:
        """Serve these issuers; what was fetched before for the same address stays."""
        self._inline, self._uris, self._problems = {}, {}, {}
        for issuer in issuers:
            if issuer.WhichOneof("jwks") == "jwks_uri":
                self._uris[issuer.name] = issuer.jwks_uri
                continue
            try:
                self._inline[issuer.name] = usable_keys(issuer.jwks_inline)
            except KeySetError as error:
                self._problems[issuer.name] = str(error)
        wanted = set(self._uris.values())
        self._fetched = {uri: kept for uri, kept in self._fetched.items() if uri in wanted}
        for uri in wanted - self._fetched.keys():
            self._fetched[uri] = Fetched(uri, keys=self._load(uri))
        self._wake.set()

    def by_issuer(self) -> dict[str, str]:
        """Key sets by issuer name; an issuer whose keys are not known is not in it."""
        found = dict(self._inline)
        for name, uri in self._uris.items():
            if keys := self._fetched[uri].keys:
                found[name] = keys
        return found

    def problems(self) -> tuple[str, ...]:
        """What is wrong with issuers' key sets, one sentence each."""
        lines = [f"issuer {name}: {problem}" for name, problem in self._problems.items()]
        for name, uri in self._uris.items():
            fetched = self._fetched[uri]
            if fetched.error or not fetched.keys:
                state = "the last good keys are used" if fetched.keys else "its tokens are refused"
                lines.append(f"issuer {name}: {fetched.error or 'not fetched yet'}; {state}")
        return tuple(lines)

    def unknown_key(self) -> None:
        """A token named a key that no set has: fetch all again, but not within ten seconds."""
        for fetched in self._fetched.values():
            fetched.due = min(fetched.due, fetched.tried + RETRY_SECONDS)
        self._wake.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Fetch what is due, for ever; `changed` is called when a key set changed."""
        while True:
            self._wake.clear()
            now = self._clock()
            due = [fetched for fetched in self._fetched.values() if fetched.due <= now]
            if due and any(await asyncio.gather(*(self._refresh(fetched) for fetched in due))):
                changed()
            waits = [fetched.due - self._clock() for fetched in self._fetched.values()]
            try:
                async with asyncio.timeout(max(0.0, min(waits)) if waits else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _refresh(self, fetched: Fetched) -> bool:
        fetched.tried = self._clock()
        try:
            keys = usable_keys(await self._fetch(fetched.uri))
        except (FetchError, KeySetError) as error:
            fetched.error = str(error)
            fetched.failures += 1
            hurry = not fetched.keys and fetched.failures <= FIRST_RETRIES
            fetched.due = self._later(FIRST_RETRY_SECONDS if hurry else RETRY_SECONDS)
            log.warning("event=jwks_fetch_failed uri=%s reason=%r", fetched.uri, fetched.error)
            return False
        fetched.due = self._later(REFETCH_SECONDS)
        fetched.error, fetched.failures = "", 0
        if keys == fetched.keys:
            return False
        fetched.keys = keys
        log.info("event=jwks_changed uri=%s", fetched.uri)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path(fetched.uri), orjson.dumps({"uri": fetched.uri, "keys": keys}))
        except OSError as error:
            log.warning("event=jwks_unwritten reason=%r", str(error))
        return True

    def _later(self, seconds: float) -> float:
        return self._clock() + seconds * (1 - JITTER + 2 * JITTER * self._random())

    def _path(self, uri: str) -> Path:
        return self._directory / f"{hashlib.sha256(uri.encode()).hexdigest()[:32]}.json"

    def _load(self, uri: str) -> str:
        try:
            kept = orjson.loads(self._path(uri).read_bytes())
            # Filtered again: what is usable is this release's to say.
            return usable_keys(kept["keys"]) if kept["uri"] == uri else ""
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError, BailiwickError) as error:
            log.warning("event=jwks_kept_unusable uri=%s reason=%r", uri, str(error))
            return ""
