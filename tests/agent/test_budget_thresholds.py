"""Which thresholds a budget is measured against."""

from agent.figures import CALLER, NOW

from bailiwick_sidecar.budgets import BudgetFigures
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import Amounts, LimitKind, Reservation


def test_budgets_without_thresholds_are_told_of_at_80_and_100() -> None:
    """A Tenant names none for its own; limits of a minute have none unless somebody says so."""
    limits = CompiledLimits(
        [
            CompiledLimit("Tenant/acme/limits#budgetMonth", LimitKind.BUDGET_MONTH, 100),
            CompiledLimit("Tenant/acme/limits#budgetDay", LimitKind.BUDGET_DAY, 85),
            CompiledLimit("Tenant/acme/limits#rpm", LimitKind.REQUESTS_PER_MINUTE, 1),
            CompiledLimit("Quota/q#budgetDay", LimitKind.BUDGET_DAY, 100, thresholds=(50,)),
        ]
    )
    engine = Engine(limits, "UTC")
    engine.reserve(Reservation(("s", 1), CALLER, Amounts(1, 85), NOW), NOW)

    crossed, _ = BudgetFigures(engine, lambda: NOW)()
    assert sorted(
        (one.labels["limit"], int(one.labels["percent"]), one.value) for one in crossed.samples
    ) == [
        ("Quota/q#budgetDay", 50, 1),
        ("Tenant/acme/limits#budgetDay", 80, 1),
        ("Tenant/acme/limits#budgetDay", 100, 1),
        ("Tenant/acme/limits#budgetMonth", 80, 1),
        ("Tenant/acme/limits#budgetMonth", 100, 0),
    ]
