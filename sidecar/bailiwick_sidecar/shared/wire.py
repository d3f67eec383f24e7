"""Messages as the store's script takes them, and its replies. Pure; the other side is sync.lua."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from bailiwick_sidecar.quota.lessee import (
    MARGIN_MS,
    SHARE_MS,
    Answer,
    CounterNews,
    Message,
    Reply,
    Standing,
)
from bailiwick_sidecar.quota.model import LimitKind
from bailiwick_sidecar.quota.shared import SharedCalendar, SharedCounter, SharedWindow
from bailiwick_sidecar.shared.errors import StoreConfusedError

BASE: Final = 10**12
"""Lua's numbers are exact up to 2^53 only: amounts go in two parts."""
DAY_KEPT_MS: Final = 8 * 86_400_000
MONTH_KEPT_MS: Final = 130 * 86_400_000
GONE_MS: Final = 5_000
"""After this long without a word a replica is none of the live ones."""

NO_NAME: Final = "-"

Words = list[str | int]


def counter_key(prefix: str, namespace: str, counter: SharedCounter) -> str:
    """The counter's key: limits of a namespace's own are counted there alone."""
    limit = counter.limit
    where = "" if limit.tenant_wide else f"@{namespace}"
    values = orjson.dumps(counter.values).decode() if counter.values else ""
    return f"{prefix}:{_letter(counter)}:{limit.id}{where}:{values}"


def encode(
    message: Message,
    *,
    prefix: str,
    namespace: str,
    replica: str,
    server: str,
    fresh_epoch: str,
    grace_ms: int,
) -> tuple[list[str], str]:
    """The keys and the argument of the script."""
    keys = [f"{prefix}:state", f"{prefix}:replicas"]
    words: Words = [
        replica,
        message.sequence,
        server or NO_NAME,
        fresh_epoch,
        SHARE_MS + MARGIN_MS,
        grace_ms,
        GONE_MS,
        len(message.counters),
        len(message.asks),
        message.acked,
    ]
    for news in message.counters:
        key = counter_key(prefix, namespace, news.counter)
        keys += (key, f"{key}:held")
        _say(words, news)
    for ask in message.asks:
        words.append(len(ask.needs))
        for place, amount in ask.needs:
            words += (place + 1, *divmod(amount, BASE))
    return keys, " ".join(map(str, words))


def decode(said: Sequence[Any], message: Message) -> Reply | int:
    """The reply; or, where the message was not a new one, the newest that the store knows.

    Raises:
        StoreConfusedError: it is none.
    """
    try:
        words = [one.decode() if isinstance(one, bytes) else one for one in said]
        if words[0] == "stale":
            return int(words[1])
        _, wall, at, epoch, last, live, waiting, heard, *rest = words
        count = len(message.counters)
        standings = [_standing(str(line)) for line in rest[:count]]
        answers = [_answer(str(line)) for line in rest[count:]]
        assert len(answers) == len(message.asks)
        return Reply(
            wall=int(wall),
            at=int(at),
            epoch=str(epoch),
            last=int(last),
            live=int(live),
            waiting=bool(waiting),
            heard=int(heard),
            standings=standings,
            answers=answers,
        )
    except (ValueError, IndexError, TypeError, AssertionError) as error:
        raise StoreConfusedError(
            f"the quota store answers what is no answer ({error}): is it Redis or Valkey, and does"
            " nothing else write below the tenant's prefix?"
        ) from error


def _letter(counter: SharedCounter) -> str:
    if isinstance(counter, SharedWindow):
        return "w"
    return "c" if isinstance(counter, SharedCalendar) else "l"


def _say(words: Words, news: CounterNews) -> None:
    counter = news.counter
    length = width = 0
    if isinstance(counter, SharedWindow):
        length, width = counter.length, counter.width
    elif isinstance(counter, SharedCalendar):
        day = counter.limit.kind is LimitKind.BUDGET_DAY
        length, width = DAY_KEPT_MS if day else MONTH_KEPT_MS, counter.period
    words += (
        _letter(counter),
        0 if counter.limit.shadow else 1,
        *divmod(counter.cap, BASE),
        *divmod(news.wanted, BASE),
        *divmod(news.held, BASE),
        length,
        width,
        len(news.reports),
    )
    for place, amount in news.reports:
        words += (place, *divmod(amount, BASE))


def _standing(line: str) -> Standing:
    used_hi, used_lo, extra_hi, extra_lo, hungry, held_hi, held_lo, freed = line.split()
    return Standing(
        int(used_hi) * BASE + int(used_lo),
        int(extra_hi) * BASE + int(extra_lo),
        hungry == "1",
        int(held_hi) * BASE + int(held_lo),
        int(freed),
    )


def _answer(line: str) -> Answer:
    if line == "yes":
        return Answer(granted=True)
    if line == "wait":
        return Answer(granted=False, wait=True)
    refusing = []
    for one in line.split():
        place, room_at = one.split(":")
        refusing.append((int(place) - 1, int(room_at)))
    return Answer(granted=False, refusing=tuple(refusing))
