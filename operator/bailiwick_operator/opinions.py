"""What the tenants' configs say of resources that they share: providers and price books."""

from collections.abc import Mapping
from dataclasses import replace

from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.conditions import Condition, Reason, Status

Source = tuple[str, str]
"""Tenant and namespace whose config says it."""


class Opinions:
    """The `Accepted` condition of each shared resource, from all configs that involve it."""

    def __init__(self) -> None:
        self._by_ref: dict[Ref, dict[Source, Condition]] = {}

    def put(self, source: Source, said: Mapping[Ref, Condition]) -> frozenset[Ref]:
        """Replace what this source said; returns the resources of which it now says another."""
        changed = set()
        for ref, by_source in list(self._by_ref.items()):
            if ref not in said and source in by_source:
                del by_source[source]
                changed.add(ref)
                if not by_source:
                    del self._by_ref[ref]
        for ref, condition in said.items():
            by_source = self._by_ref.setdefault(ref, {})
            before = by_source.get(source)
            by_source[source] = condition
            if before is None or _content(before) != _content(condition):
                changed.add(ref)
        return frozenset(changed)

    def leave(self, tenant: str) -> frozenset[Ref]:
        """Forget all that this tenant's configs said; returns what they spoke of."""
        sources = {one for said in self._by_ref.values() for one in said if one[0] == tenant}
        return frozenset(ref for source in sources for ref in self.put(source, {}))

    def of(self, ref: Ref) -> Condition | None:
        """The worst that is said: a refusal before a remark before plain acceptance."""
        said = self._by_ref.get(ref)
        if not said:
            return None
        source, worst = min(said.items(), key=lambda item: (_rank(item[1]), item[0]))
        if _rank(worst) == _FINE:
            return worst
        tenant, namespace = source
        return replace(worst, message=f"For tenant {tenant} in {namespace}: {worst.message}")


_FINE = 2


def _rank(condition: Condition) -> int:
    if condition.status is not Status.TRUE:
        return 0
    return _FINE if condition.reason is Reason.ACCEPTED else 1


def _content(condition: Condition) -> tuple[object, ...]:
    return (condition.status, condition.reason, condition.message, condition.observed_generation)
