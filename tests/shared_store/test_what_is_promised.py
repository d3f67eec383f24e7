"""What the store promised to calls stays counted until they take it, whatever is swept."""

from quota.building import KIND, caller, limit
from shared_store.replicas import ZONE
from shared_store.test_one_limit_for_all import shared

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.lessee import Lessee, Promised
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.messages import Answer, Reply, Standing
from bailiwick_sidecar.quota.model import Amounts, Reservation
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.shared import Among, counter_maker

START = 1_800_000_000_000
EACH_USER = limit("s", KIND.REQUESTS_PER_SECOND, 8, each=["user"])


def lessee() -> Lessee:
    moment = Moment(ZONE)
    among = Among(moment)
    limits = CompiledLimits(shared(EACH_USER))
    return Lessee(Engine(limits, ZONE, make=counter_maker(among), moment=moment), among)


def wanted(name: str) -> Reservation:
    return Reservation((name, 1), caller(), Amounts(1, 0), START + 600_000)


def granted(asks: int) -> Reply:
    standing = Standing(used=0, extra=0, hungry=False, held=0, freed=0)
    return Reply(
        wall=START,
        at=START,
        epoch="e",
        last=1_000,
        live=2,
        waiting=False,
        heard=START,
        standings=[standing],
        answers=[Answer(granted=True)] * asks,
    )


def test_a_counter_that_is_asked_for_is_not_swept() -> None:
    """Swept, its next message would say that nothing is held, and others had what was promised."""
    one = lessee()
    message, _ = one.prepare([wanted("a"), wanted("b")], START)
    one.engine.expire(START + 1)

    verdicts = one.apply(message, granted(2), START + 2)
    one.engine.expire(START + 3)
    # The next call is asked for before the two have taken what is theirs.
    following, _ = one.prepare([wanted("c")], START + 4)

    assert [news.held for news in following.counters] == [2]
    for verdict in verdicts:
        assert isinstance(verdict, Promised)
        one.accept(verdict, START + 5)
    (state,) = one.engine.states(caller(), START + 5)
    assert state.used == 2


def test_a_counter_that_nobody_waits_for_is_swept() -> None:
    """Also where no answer came, or the caller left: nothing keeps it for ever."""
    one = lessee()
    message, _ = one.prepare([wanted("a")], START)
    one.lost(message)
    message, _ = one.prepare([wanted("a")], START + 1)
    (verdict,) = one.apply(message, granted(1), START + 2)
    assert isinstance(verdict, Promised)
    one.decline(verdict)
    message, _ = one.prepare((), START + 3)
    one.apply(message, granted(0), START + 4)
    one.engine.expire(START + 5_000)

    assert one.engine.subjects == 0
