"""The figures of one `limits` block, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick_contract.money import decimal_string, pico
from bailiwick_contract.v1.tenant_config_pb2 import Limit
from bailiwick_operator.api.v1alpha1.limits import Limits, Period
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.quantities import QuantityError, budget
from bailiwick_operator.conditions import Reason

_COUNTS = (
    ("requests_per_second", "requestsPerSecond", Limit.KIND_REQUESTS_PER_SECOND),
    ("requests_per_minute", "requestsPerMinute", Limit.KIND_REQUESTS_PER_MINUTE),
    ("tokens_per_minute", "tokensPerMinute", Limit.KIND_TOKENS_PER_MINUTE),
    ("concurrent_requests", "concurrentRequests", Limit.KIND_CONCURRENT_REQUESTS),
    ("tokens_per_month", "tokensPerMonth", Limit.KIND_TOKENS_PER_MONTH),
)
_BUDGETS = {
    Period.DAY: ("budgetDay", Limit.KIND_BUDGET_DAY),
    Period.MONTH: ("budgetMonth", Limit.KIND_BUDGET_MONTH),
}
BUDGET_KINDS = frozenset(kind for _, kind in _BUDGETS.values())


@dataclass(frozen=True, slots=True)
class Figure:
    """One limit of one kind: a count, or picounits for a budget.

    `name` ends the limit's id; `path` leads to the figure inside the `limits` block.
    """

    kind: Limit.Kind
    name: str
    path: str
    value: int

    @property
    def is_money(self) -> bool:
        """True for a budget."""
        return self.kind in BUDGET_KINDS

    def shown(self) -> str:
        """The figure as a person writes it."""
        return decimal_string(self.value) if self.is_money else str(self.value)


def figures(limits: Limits, out: Report, *, path: str) -> Iterator[Figure]:
    """Every figure of the block that can be read; the others are refused."""
    for attribute, name, kind in _COUNTS:
        count = getattr(limits, attribute)
        if count is not None:
            yield Figure(kind, name, f"{path}.{name}", count)
    seen: set[Period] = set()
    for index, entry in enumerate(limits.budgets or ()):
        where = f"{path}.budgets[{index}]"
        if entry.period in seen:
            out.refuse(
                f"{where}.period",
                Reason.DUPLICATE,
                f"there are two budgets for a {entry.period.value.lower()}",
                cure="keep the smaller one",
            )
            continue
        seen.add(entry.period)
        name, kind = _BUDGETS[entry.period]
        try:
            yield Figure(kind, name, f"{where}.amount", pico(budget(entry.amount)))
        except QuantityError as error:
            out.refuse(f"{where}.amount", Reason.INVALID, str(error), cure=error.cure)
