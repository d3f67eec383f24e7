"""The story that docs/limits.md tells of examples/acme, lived through."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bailiwick_contract.money import pico
from bailiwick_contract.rating import price_at, upper_bound
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.api.validation import load
from bailiwick_operator.compile.local import compile_all
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.model import (
    Amounts,
    Caller,
    Denial,
    Grant,
    LimitKind,
    Reservation,
)

ROOT = Path(__file__).parents[2]
NOON = int(datetime(2026, 10, 1, 12, tzinfo=UTC).timestamp() * 1000)
ANN = Caller("search", "ranking", "ann", "smart", "premium")
ASKED = Amounts(tokens=2_500, cost=pico("0.0075"))


@pytest.fixture(scope="module")
def config() -> TenantConfig:
    loaded = load([ROOT / "examples" / "acme"])
    now = datetime(2026, 10, 1, tzinfo=UTC)
    return compile_all(loaded.resources, now=now, catalogue={}).results["acme-prod"].config


def test_the_limits_of_the_example(config: TenantConfig) -> None:
    """Eighteen apply to Ann on premium; the table of the page is those on tokens a minute."""
    applied = CompiledLimits.of(config.limits).applied(ANN)

    assert len(applied) == 18
    assert {
        found.limit.id.partition("#")[0]: found.limit.amount
        for found in applied
        if found.limit.kind is LimitKind.TOKENS_PER_MINUTE
    } == {
        "Quota/each-user": 5_000,
        "Quota/search-premium": 6_000,
        "Tenant/acme/ceilings/search-premium": 8_000,
        "Quota/search": 20_000,
        "Tenant/acme/limits": 50_000,
    }


def test_the_money_of_the_example(config: TenantConfig) -> None:
    """2,000 bytes and 500 tokens of gpt-5 are at most 0.0075 USD."""
    (smart,) = [route for route in config.routes if route.name == "smart"]
    price = price_at(smart.backends[0].prices, NOON)

    assert price is not None
    assert upper_bound(price.rates, input_bound=2_000, output_bound=500) == ASKED.cost


def test_the_minute_of_the_example(config: TenantConfig) -> None:
    """Reserved, refused, settled, refused, settled and admitted, as the page tells it."""
    engine = Engine(CompiledLimits.of(config.limits), config.time_zone)

    def ask(name: str, second: int) -> Grant | Denial:
        now = NOON + second * 1000
        return engine.reserve(Reservation((name, 1), ANN, ASKED, now + 60_000), now)

    def anns(second: int) -> int:
        states = engine.states(ANN, NOON + second * 1000)
        (state,) = [s for s in states if s.limit_id == "Quota/each-user#tokensPerMinute"]
        return state.used

    assert isinstance(ask("first", 0), Grant)
    assert isinstance(ask("second", 1), Grant)
    refused_for_places = ask("third", 2)
    engine.settle(("first", 1), Amounts(700, pico("0.0028")), NOON + 5_000)
    after_first = anns(5)
    refused = ask("third", 6)
    engine.settle(("second", 1), Amounts(980, pico("0.0056")), NOON + 7_000)
    after_second = anns(7)
    assert isinstance(ask("third", 8), Grant)

    assert isinstance(refused_for_places, Denial)
    assert refused_for_places.retry_after == NOON + 60_000
    assert isinstance(refused, Denial)
    assert [state.limit_id for state in refused.limits] == ["Quota/each-user#tokensPerMinute"]
    assert refused.retry_after == NOON + 60_000
    assert (after_first, after_second, anns(8), anns(60)) == (3_200, 1_680, 4_180, 3_480)
