"""Messages as the store's script takes them, and its replies. Pure; the other side is sync.lua."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from bailiwick_sidecar.quota.lessee import MARGIN_MS, SHARE_MS
from bailiwick_sidecar.quota.limits import CompiledLimit, Values
from bailiwick_sidecar.quota.messages import Answer, CounterNews, Message, Missing, Reply, Standing
from bailiwick_sidecar.quota.model import LimitKind
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.quota.shared import SharedCalendar, SharedCounter, SharedWindow
from bailiwick_sidecar.shared.errors import StoreConfusedError

BASE: Final = 10**12
"""Lua's numbers are exact up to 2^53 only: amounts go in two parts."""
DAY_KEPT_MS: Final = 8 * 86_400_000
MONTH_KEPT_MS: Final = 130 * 86_400_000
GONE_MS: Final = 5_000
"""After this long without a word a replica is none of the live ones."""

NO_NAME: Final = "-"
PARTS_AT_ONCE: Final = 500
"""Amounts in one message that restores: less than a millisecond of the store's time."""

Words = list[str | int]


def counter_key(
    prefix: str, namespace: str, letter: str, limit: CompiledLimit, values: Values
) -> str:
    """The key of a limit's counter: limits of a namespace's own are counted there alone."""
    where = "" if limit.tenant_wide else f"@{namespace}"
    subject = orjson.dumps(values).decode() if values else ""
    return f"{prefix}:{letter}:{limit.id}{where}:{subject}"


def encode(
    message: Message,
    *,
    prefix: str,
    namespace: str,
    replica: str,
    server: str,
    fresh_epoch: str,
    grace_ms: int,
    rebuilds: bool,
) -> tuple[list[str], str]:
    """The keys and the argument of the script; `rebuilds`: what is missing can be restored."""
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
        namespace if rebuilds else NO_NAME,
    ]
    for news in message.counters:
        counter = news.counter
        key = counter_key(prefix, namespace, _letter(counter), counter.limit, counter.values)
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
        _, wall, at, epoch, last, live, waiting, heard, loss, missing, *rest = words
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
            loss=str(loss),
            missing=Missing(int(missing)),
        )
    except (ValueError, IndexError, TypeError, AssertionError) as error:
        raise StoreConfusedError(
            f"the quota store answers what is no answer ({error}): is it Redis or Valkey, and does"
            " nothing else write below the tenant's prefix?"
        ) from error


def encode_parts(
    parts: Mapping[Part, int], *, loss: str, prefix: str, namespace: str, tenant: bool
) -> Iterator[tuple[list[str], str]]:
    """The keys and the argument of each message that restores; with the last, all is there.

    `tenant`: the limits of the whole tenant are meant too.
    """
    meant = [(part, n) for part, n in parts.items() if tenant or not part.limit.tenant_wide]
    starts = range(0, len(meant), PARTS_AT_ONCE)
    pieces = [meant[start : start + PARTS_AT_ONCE] for start in starts] or [[]]
    for number, piece in enumerate(pieces, 1):
        last = number == len(pieces)
        keys = [f"{prefix}:state", f"{prefix}:replicas"]
        places: dict[str, int] = {}
        words: Words = [loss, namespace if last else NO_NAME, int(last and tenant), len(piece)]
        for part, amount in piece:
            key = counter_key(prefix, namespace, "c", part.limit, part.values)
            place = places.setdefault(key, len(places) + 1)
            words += (place, part.period, part.gateway, *divmod(amount, BASE), _kept_ms(part.limit))
        yield keys + list(places), " ".join(map(str, words))


def _kept_ms(limit: CompiledLimit) -> int:
    return DAY_KEPT_MS if limit.kind is LimitKind.BUDGET_DAY else MONTH_KEPT_MS


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
        length, width = _kept_ms(counter.limit), counter.period
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
