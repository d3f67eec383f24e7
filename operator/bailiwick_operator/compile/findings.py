"""What the compiler has to say about each resource, and the condition that says it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which resource: kind, namespace (empty for cluster-scoped kinds) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one field of one resource.

    `refuses` is True where the resource is left out for it, False where it serves all the same.
    `about` is the other resource without which there would be nothing to say.
    """

    resource: Ref
    path: str
    reason: Reason
    message: str
    cure: str
    refuses: bool
    about: Ref | None = None

    @property
    def sentence(self) -> str:
        """Path, message and cure in one line."""
        return f"{self.path}: {self.message}: {self.cure}"


@dataclass(slots=True)
class Report:
    """Collects the findings about one resource; never stops at the first."""

    resource: Ref
    generation: int
    findings: list[Finding] = field(default_factory=list)

    def refuse(
        self, path: str, reason: Reason, message: str, *, cure: str, about: Ref | None = None
    ) -> None:
        """Leave the resource out, for this among other reasons."""
        self._add(Finding(self.resource, path, reason, message, cure, refuses=True, about=about))

    def note(
        self, path: str, reason: Reason, message: str, *, cure: str, about: Ref | None = None
    ) -> None:
        """Say something that the resource's author has to know; it serves all the same."""
        self._add(Finding(self.resource, path, reason, message, cure, refuses=False, about=about))

    def _add(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)

    @property
    def refused(self) -> bool:
        """True where at least one finding leaves the resource out."""
        return any(finding.refuses for finding in self.findings)

    def accepted(self, now: datetime) -> Condition:
        """The `Accepted` condition: the first reason, and every message."""
        ordered = self.ordered()
        refused = self.refused
        reason = ordered[0].reason if ordered else Reason.ACCEPTED
        message = "\n".join(finding.sentence for finding in ordered)
        return Condition(
            type=ConditionType.ACCEPTED,
            status=Status.FALSE if refused else Status.TRUE,
            reason=reason,
            message=message,
            observed_generation=self.generation,
            last_transition_time=now,
        )

    def ordered(self) -> list[Finding]:
        """Findings in the order in which they are shown: those that refuse first, then by path."""
        return sorted(
            self.findings, key=lambda one: (not one.refuses, one.path, one.reason, one.message)
        )


@dataclass(slots=True)
class Reports:
    """One report for each resource that took part."""

    by_resource: dict[Ref, Report] = field(default_factory=dict)

    def of(self, resource: Ref, generation: int) -> Report:
        """The report of this resource; the same object each time."""
        return self.by_resource.setdefault(resource, Report(resource, generation))

    def findings(self) -> tuple[Finding, ...]:
        """Every finding, by resource and then as the resource shows them."""
        return tuple(one for report in self.sorted() for one in report.ordered())

    def sorted(self) -> Iterable[Report]:
        """Reports by kind, namespace, name."""
        return (self.by_resource[ref] for ref in sorted(self.by_resource))
