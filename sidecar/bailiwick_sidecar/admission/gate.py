"""What every admission call looks at: the config in force, keys, counters, calls under way."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.answer import Headers, Request
from bailiwick_sidecar.admission.calls import Calls
from bailiwick_sidecar.admission.errors import RefusedError, refused
from bailiwick_sidecar.admission.health import Health
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.plan import Random
from bailiwick_sidecar.admission.ports import Accounts, Watcher
from bailiwick_sidecar.admission.reserve import Clock, Reserver, Wanted
from bailiwick_sidecar.admission.retry_budget import RetryBudgets
from bailiwick_sidecar.admission.tables import Place, Tables
from bailiwick_sidecar.idempotency.keys import KeyedCalls
from bailiwick_sidecar.key_marks import NO_KEY, KeyMark
from bailiwick_sidecar.keyring import NO_LENDER, Lender, PlainLender
from bailiwick_sidecar.quota.model import AttemptKey, Grant, QuotaStore
from bailiwick_sidecar.secrets import Absent, KeySource, Secret

MAX_ID: Final = 64
CREDENTIAL_HEADER: Final = "authorization"
RETRY_SOON: Final = 1


@dataclass(slots=True)
class Gate:
    """The state that admission works on; `tables` changes with each config."""

    store: QuotaStore
    accounts: Accounts
    keys: KeySource
    clock: Clock
    random: Random
    watcher: Watcher
    tables: Tables | None = None
    draining: bool = False
    """True at the agent's end: no further call is admitted."""
    ledger_failing: Callable[[], bool] = lambda: False
    calls: Calls = field(default_factory=Calls)
    health: Health = field(default_factory=Health)
    """Which backends calls are not begun at for a while."""
    retries: RetryBudgets = field(default_factory=RetryBudgets)
    """Further attempts of the last minute, of routes that say how many."""
    keyed: KeyedCalls | None = None
    """Calls with an Idempotency-Key; without it the header says nothing."""
    lender: Lender = NO_LENDER
    """Hands keys to attempts; by default the source itself."""
    reserver: Reserver = field(init=False)

    def __post_init__(self) -> None:
        self.reserver = Reserver(store=self.store, accounts=self.accounts, clock=self.clock)
        if self.lender is NO_LENDER:
            self.lender = PlainLender(self.keys)

    def ready_tables(self) -> Tables:
        """The tables in force.

        Raises:
            RefusedError: there is no config (any more), or it says to refuse every call, or to
                refuse them while the ledger takes nothing.
        """
        if self.tables is None or self.draining:
            raise refused("gateway_unavailable", retry_after=RETRY_SOON)
        if self.tables.deny_reason:
            raise refused("tenant_denied", reason=self.tables.deny_reason)
        if self.tables.ledger_needed and self.ledger_failing():
            raise refused("accounting_unavailable", retry_after=RETRY_SOON)
        return self.tables

    def identify(self, request: Request, tables: Tables) -> Identity:
        """The caller of a request that Envoy has verified.

        Raises:
            RefusedError: he is none.
        """
        payload = request.headers.get("x-bw-jwt")
        if not payload:
            raise refused("invalid_api_key", reason="there are none")
        return tables.callers.identify(payload)

    def has_key(self, place: Place) -> bool:
        """True where the place needs no key or its key is there."""
        return place.key is None or isinstance(self.keys.get(place.key), Secret)

    def keyless(self, places: Sequence[Place]) -> str:
        """The code to refuse with where none of these places has its key."""
        missing = [self.keys.get(place.key) for place in places if place.key is not None]
        codes = {one.code for one in missing if isinstance(one, Absent)}
        return codes.pop() if len(codes) == 1 else "credential_unavailable"

    def why_keyless(self, place: Place) -> str:
        """Why the place's key is absent; empty where it is not."""
        found = self.keys.get(place.key) if place.key is not None else None
        return found.reason if isinstance(found, Absent) else ""

    def attempt_headers(self, place: Place, attempt: AttemptKey) -> tuple[Headers, KeyMark]:
        """The model's name and the credential of this attempt at this place, and whose it is.

        Raises:
            RefusedError: the key went away between the plan and now.
        """
        model: Headers = (
            ("x-bw-model", place.model_json),
            ("x-bw-endpoint", place.fingerprint),
        )
        if place.key is None:
            return model, NO_KEY
        key = self.lender.lend(attempt, place.key)
        if isinstance(key, Absent):
            raise refused(key.code, retry_after=RETRY_SOON, model=json.dumps(place.model))
        credential: Headers = (
            ("x-bw-credential-header", CREDENTIAL_HEADER),
            ("x-bw-credential", f"Bearer {key.secret.reveal()}"),
        )
        return (*model, *credential), key.mark

    async def reserve(
        self, wanted: Wanted, tables: Tables, predecessor: AttemptKey | None = None
    ) -> tuple[Intent, Grant]:
        """As the reserver does it; an attempt that is refused gives its key back.

        Raises:
            RefusedError: as the reserver.
        """
        try:
            return await self.reserver.reserve(wanted, tables=tables, predecessor=predecessor)
        except RefusedError:
            self.lender.ended(wanted.key, 0)
            raise


def protocol_of(request: Request) -> str:
    """`grpc` where the call came by gRPC, else `http`: only Envoy can say so (see wire.md)."""
    return "grpc" if request.headers.get("x-bw-protocol") == "grpc" else "http"


def stream_id(request: Request) -> str:
    """Envoy's id of the stream.

    Raises:
        RefusedError: it is missing: nothing could be accounted for.
    """
    stream = request.headers.get("x-bw-id", "")
    if not 0 < len(stream) <= MAX_ID:
        raise refused("invalid_json", reason="the gateway's own envelope is damaged")
    return stream
