"""Keyed calls of one gateway: which are under way, which are made, and what they answered.

A key frees itself where nothing was made: every attempt was refused, failed or never left. It is
spent where something may have been charged and there is no answer to give again.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from bailiwick_sidecar.accounting.errors import JournalUnwritableError
from bailiwick_sidecar.accounting.model import Row, RowState
from bailiwick_sidecar.admission.answer import Answer
from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.idempotency.keyfile import KeyFile
from bailiwick_sidecar.idempotency.model import (
    ANSWER_MS,
    KEY_MS,
    LATE_MS,
    MAX_ANSWER,
    MAX_ANSWERS,
    MAX_KEYS,
    MAX_KEYS_OF_CALLER,
    Claim,
    Kept,
    State,
)

RETRY_SOON: Final = 1
COMPACT_LINES: Final = 4 * MAX_KEYS
"""Lines of the file past which it is written anew."""

log = logging.getLogger(__name__)


class KeyedCalls:
    """The table. `clock` gives ms since the epoch, `under_way` whether a call is on the books."""

    def __init__(
        self,
        file: KeyFile,
        *,
        clock: Callable[[], int],
        under_way: Callable[[str], bool],
        answers_bytes: int = MAX_ANSWERS,
    ) -> None:
        self._file = file
        self._clock = clock
        self._under_way = under_way
        self._answers_bytes = answers_bytes
        self._claims: OrderedDict[str, Claim] = OrderedDict()
        self._streams: dict[str, Claim] = {}
        """Those under way, by the call's id."""
        self._callers: dict[str, OrderedDict[str, None]] = {}
        self._answers: OrderedDict[str, int] = OrderedDict()
        self.kept_bytes = 0
        """Bytes of the answers that are kept."""

    def __len__(self) -> int:
        return len(self._claims)

    def recover(self) -> None:
        """Take over the keys of the process before; its answers died with it.

        Open attempts must be on the books again.

        A disk that takes nothing is no reason not to start: keyed calls are refused until it does.
        """
        now = self._clock()
        for claim in self._file.read():
            if now - claim.at < KEY_MS:
                # What became of it before is not known: it may have been charged.
                claim.charged = True
                if not self._under_way(claim.stream):
                    claim.state = State.SPENT
                self._add(claim)
        self._compact()

    def find(self, caller: str, key: str, digest: str) -> Answer | None:
        """The answer of the call that came with this key before; None: there was none.

        Raises:
            RefusedError: it is under way, was another call, or can't be answered again.
        """
        claim = self._claims.get(key)
        now = self._clock()
        if claim is None or claim.caller != caller or now - claim.at >= KEY_MS:
            return None
        if claim.digest != digest:
            raise refused("idempotency_mismatch", param="Idempotency-Key")
        if claim.state is State.OPEN:
            raise refused("idempotency_in_flight", param="Idempotency-Key", retry_after=RETRY_SOON)
        kept = claim.kept
        if kept is None:
            raise refused("idempotency_not_replayable", param="Idempotency-Key")
        headers = (("content-type", kept.media), ("x-bw-replay", "1"))
        return Answer(kept.status, headers, kept.body)

    def is_open(self, key: str) -> bool:
        """True while a call with this key is under way."""
        claim = self._claims.get(key)
        return claim is not None and claim.state is State.OPEN

    def take(self, caller: str, key: str, digest: str, *, stream: str, deadline: int) -> None:
        """Make the key mean this call; it is on disk when this returns.

        Raises:
            RefusedError: it can't be written down.
        """
        claim = Claim(caller, key, digest, stream, self._clock(), deadline)
        if (old := self._claims.get(key)) is not None:
            self._drop(old)
        try:
            self._file.opened(claim)
        except (JournalUnwritableError, OSError) as error:
            raise refused("accounting_unavailable", retry_after=RETRY_SOON) from error
        self._add(claim)
        self._bound(caller)

    def release(self, stream: str) -> None:
        """The call never left: its key is free."""
        claim = self._streams.get(stream)
        if claim is not None:
            self._drop(claim)
            self._note(self._file.freed, claim)

    def answered(self, stream: str, *, status: int, media: str, body: bytes) -> None:
        """Keep the whole answer of a call, where it has a key and there is room."""
        claim = self._streams.get(stream)
        if claim is None:
            return
        self._spend(claim)
        if len(body) > min(MAX_ANSWER, self._answers_bytes):
            return
        claim.state, claim.kept = State.ANSWERED, Kept(status, media, body, self._clock())
        self._answers[claim.key] = len(body)
        self.kept_bytes += len(body)
        while self.kept_bytes > self._answers_bytes:
            self._let_go(next(iter(self._answers)))

    def row(self, row: Row) -> None:
        """An attempt of a call has ended."""
        claim = self._streams.get(row.intent.key[0])
        if claim is None:
            return
        free = row.state is RowState.VOID or row.reason == "error_status"
        claim.charged = claim.charged or not free
        if row.state is RowState.UNKNOWN:
            claim.ended = True  # a process died: no record of the request will come
        self._conclude(claim)

    def ended(self, stream: str) -> None:
        """A request has ended; its attempts may still be open."""
        claim = self._streams.get(stream)
        if claim is not None:
            claim.ended = True
            self._conclude(claim)

    def sweep(self, now: int) -> None:
        """Let go of what is old, and give up on calls whose end was never seen."""
        while self._answers:
            key = next(iter(self._answers))
            kept = self._claims[key].kept
            if kept is not None and now - kept.at < ANSWER_MS:
                break
            self._let_go(key)
        for claim in tuple(self._streams.values()):
            if claim.ended:
                self._conclude(claim)
            elif now > claim.deadline + LATE_MS:
                self._spend(claim)
        while self._claims:
            oldest = next(iter(self._claims.values()))
            if now - oldest.at < KEY_MS:
                break
            self._drop(oldest)
        if self._file.lines > COMPACT_LINES:
            self._compact()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _conclude(self, claim: Claim) -> None:
        if not claim.ended or self._under_way(claim.stream):
            return
        if claim.charged:
            self._spend(claim)
        else:
            self.release(claim.stream)

    def _spend(self, claim: Claim) -> None:
        claim.state = State.SPENT
        self._streams.pop(claim.stream, None)
        self._note(self._file.spent, claim)

    def _add(self, claim: Claim) -> None:
        self._claims[claim.key] = claim
        if claim.state is State.OPEN:
            self._streams[claim.stream] = claim
        self._callers.setdefault(claim.caller, OrderedDict())[claim.key] = None

    def _drop(self, claim: Claim) -> None:
        self._let_go(claim.key)
        self._claims.pop(claim.key, None)
        self._streams.pop(claim.stream, None)
        mine = self._callers.get(claim.caller)
        if mine is not None:
            mine.pop(claim.key, None)
            if not mine:
                del self._callers[claim.caller]

    def _bound(self, caller: str) -> None:
        mine = self._callers[caller]
        if len(mine) > MAX_KEYS_OF_CALLER:
            self._drop(self._claims[next(iter(mine))])
        elif len(self._claims) > MAX_KEYS:
            self._drop(next(iter(self._claims.values())))

    def _let_go(self, key: str) -> None:
        self.kept_bytes -= self._answers.pop(key, 0)
        claim = self._claims.get(key)
        if claim is not None and claim.kept is not None:
            claim.state, claim.kept = State.SPENT, None

    def _note(self, write: Callable[[Claim], None], claim: Claim) -> None:
        try:
            write(claim)
        except (JournalUnwritableError, OSError) as error:
            # After a restart the key is then taken for one whose call is under way, or spent.
            log.warning("event=key_unwritten error=%r", str(error))

    def _compact(self) -> None:
        try:
            self._file.rewrite(self._claims.values())
        except (JournalUnwritableError, OSError) as error:
            log.warning("event=keys_not_rewritten error=%r", str(error))
