"""The echo provider's own books: what it served, for anyone who compares them with a ledger."""

import hashlib
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 100_000


@dataclass(slots=True)
class Attempt:
    """One call as the provider saw it. It holds no text and no key."""

    id: str
    request_id: str | None
    """The caller's `x-request-id` header."""
    at: float
    path: str
    model: str
    stream: bool
    authorization: str | None
    """First 12 hex digits of the SHA-256 of the key that came with the call; None: none came."""
    status: int = 0
    """0 while nothing was answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """What was sent, so far."""
    outcome: str = "open"
    """`answered`, `refused`, `hung_up` (the caller left), `dropped` (on purpose), `open`."""


class Attempts:
    """The last 100,000 attempts, and sums over all of them."""

    def __init__(self) -> None:
        self._kept: deque[Attempt] = deque(maxlen=KEPT)
        self._outcomes: Counter[str] = Counter()
        self._models: dict[str, Counter[str]] = {}

    def open(self, attempt: Attempt) -> Attempt:
        """The attempt is in the books."""
        self._kept.append(attempt)
        return attempt

    def close(self, attempt: Attempt, outcome: str) -> None:
        """The attempt is over and counts; a second call changes nothing."""
        if attempt.outcome != "open":
            return
        attempt.outcome = outcome
        self._outcomes[outcome] += 1
        sums = self._models.setdefault(attempt.model, Counter())
        sums["attempts"] += 1
        sums["prompt_tokens"] += attempt.prompt_tokens
        sums["completion_tokens"] += attempt.completion_tokens

    def listed(self) -> dict[str, Any]:
        """Every attempt that is kept, oldest first."""
        return {"attempts": [asdict(attempt) for attempt in self._kept]}

    def counts(self) -> dict[str, Any]:
        """Sums over all attempts that are over."""
        models = {name: dict(sums) for name, sums in sorted(self._models.items())}
        fields = ("attempts", "prompt_tokens", "completion_tokens")
        whole = {field: sum(sums[field] for sums in self._models.values()) for field in fields}
        return {**whole, "outcomes": dict(self._outcomes), "models": models}


def key_hash(headers: dict[str, str]) -> str | None:
    """A hash of whatever credential came with the call."""
    for name in ("authorization", "api-key", "x-api-key", "x-goog-api-key"):
        if name in headers:
            key = headers[name].removeprefix("Bearer ")
            return hashlib.sha256(key.encode()).hexdigest()[:12]
    return None
