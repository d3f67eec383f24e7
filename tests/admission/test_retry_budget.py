"""Further attempts of a route are a share of its calls."""

import asyncio

from admission.acme import Admission, config, error

from bailiwick_sidecar.admission.retry_budget import MINUTE_MS, Budget, RetryBudgets
from bailiwick_sidecar.names import backend_code


def taken(budgets: RetryBudgets, budget: Budget, *, tries: int, now: int) -> int:
    return sum(budgets.take("r", budget, now) for _ in range(tries))


def test_the_share_of_the_last_minutes_calls() -> None:
    """Twenty percent of a hundred calls are twenty, and no more until calls are forgotten."""
    budgets, budget = RetryBudgets(), Budget(percent=20, min_per_minute=0)
    for now in range(100):
        budgets.called("r", now)

    assert taken(budgets, budget, tries=50, now=100) == 20
    assert taken(budgets, budget, tries=5, now=MINUTE_MS - 1) == 0
    # The calls are forgotten with their retries: nothing is left to take a share of.
    assert taken(budgets, budget, tries=5, now=2 * MINUTE_MS) == 0


def test_a_quiet_route_has_its_minimum() -> None:
    """One call in a minute may still fall back."""
    budgets, budget = RetryBudgets(), Budget(percent=20, min_per_minute=3)
    budgets.called("r", 0)

    assert taken(budgets, budget, tries=10, now=1) == 3
    assert taken(budgets, budget, tries=10, now=1 + MINUTE_MS) == 3


def test_routes_do_not_share() -> None:
    """What one route spends is not another's."""
    budgets, budget = RetryBudgets(), Budget(percent=0, min_per_minute=1)

    assert budgets.take("a", budget, 0)
    assert not budgets.take("a", budget, 1)
    assert budgets.take("b", budget, 1)


def budgeted(**budget: int) -> Admission:
    """Route fast, with this budget for its second backend."""
    said = config()
    said.routes[0].fallback.retry_budget.percent = budget.get("percent", 0)
    said.routes[0].fallback.retry_budget.min_per_minute = budget.get("min_per_minute", 0)
    return Admission(said)


def test_a_call_past_the_budget_ends_and_says_what_was_tried() -> None:
    """Nothing is reserved for it, and after a minute there is room again."""

    async def run() -> None:
        admission = budgeted(min_per_minute=1)
        second = backend_code("fast", "b")
        statuses = []
        for number in range(3):
            assert (await admission.admit(f"s-{number}")).status == 200
            answer = await admission.attempt(f"s-{number}", 2, second)
            statuses.append(answer.status)
        assert statuses == [200, 503, 503]
        assert error(answer)["code"] == "retry_budget_exhausted"
        assert "tried: a" in error(answer)["message"]
        assert dict(answer.headers)["retry-after"] == "1"
        assert len(admission.accounts.intents) == 4

        admission.now += MINUTE_MS
        assert (await admission.admit("s-9")).status == 200
        assert (await admission.attempt("s-9", 2, second)).status == 200

    asyncio.run(run())


def test_routes_without_a_budget_try_as_often_as_they_may() -> None:
    """Nothing is counted for them."""

    async def run() -> None:
        admission = Admission()
        for number in range(30):
            assert (await admission.admit(f"s-{number}")).status == 200
            answer = await admission.attempt(f"s-{number}", 2, backend_code("fast", "b"))
            assert answer.status == 200

    asyncio.run(run())
