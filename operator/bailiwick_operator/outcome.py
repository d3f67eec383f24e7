"""What came of a tenant's namespaces, as conditions. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bailiwick_operator.api.v1alpha1 import Resource, Tenant
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status
from bailiwick_operator.kube.model import KubeError
from bailiwick_operator.publish.acks import Verdict
from bailiwick_operator.status import generation_of
from bailiwick_operator.world import Broken, PodState

LONGEST_MESSAGE = 1024
"""Characters of a namespace's message in the Tenant's status."""
EVICTING_S = 2.0
"""Until objects that were deleted are looked for again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far one namespace of a tenant is; `failure` is to be tried again.

    `look_again` is in seconds, for what no watch may tell.
    """

    namespace: str
    bound: bool
    accepted: Condition
    verdict: Verdict
    digest: str = ""
    failure: KubeError | None = None
    look_again: float = math.inf

    @property
    def status(self) -> dict[str, Any]:
        """The namespace's entry in the Tenant's status."""
        missing = "" if self.verdict.programmed else self.verdict.message
        return {
            "name": self.namespace,
            "bound": self.bound,
            "programmed": self.verdict.programmed,
            "digest": self.digest,
            "message": missing[:LONGEST_MESSAGE],
        }


def missing(namespace: str, *, terminating: bool, accepted: Condition) -> Outcome:
    """What comes of a namespace that is not there, or that goes."""
    what = "is being deleted: create it again" if terminating else "does not exist: create it"
    verdict = Verdict(Reason.NAMESPACE_NOT_FOUND, f"Namespace {namespace} {what}.")
    return Outcome(namespace, bound=False, accepted=accepted, verdict=verdict)


def taken(namespace: str, *, by: str, leaving: bool, accepted: Condition) -> Outcome:
    """What comes of a namespace that another tenant holds: here it makes the Tenant wrong."""
    refused = replace(
        accepted,
        status=Status.FALSE,
        reason=Reason.NAMESPACE_CLAIMED,
        message=f"Namespace {namespace} is still leaving tenant {by}, whose last rows are on their"
        f" way to the ledger: wait; `kubectl get events -n {namespace}` says for what."
        if leaving
        else f"Namespace {namespace} belongs to tenant {by}: remove it here, or have the other"
        " tenant give it up.",
    )
    verdict = Verdict(Reason.NOT_ACCEPTED, refused.message)
    return Outcome(namespace, bound=False, accepted=refused, verdict=verdict)


def inherited(namespace: str, *, names: Sequence[str], accepted: Condition) -> Outcome:
    """What comes of a namespace where objects of the tenant before are still going."""
    listed = ", ".join(sorted(names))
    words = f"Waits until what the namespace's gateway before this one had is gone: {listed}."
    verdict = Verdict(Reason.PROPAGATING, words)
    return Outcome(namespace, bound=True, accepted=accepted, verdict=verdict, look_again=EVICTING_S)


def summary(tenant: Tenant, outcomes: Sequence[Outcome], *, now: datetime) -> list[Condition]:
    """The Tenant's own conditions: the worst of its namespaces."""
    refused = [one.accepted for one in outcomes if one.accepted.status is not Status.TRUE]
    remarked = [one.accepted for one in outcomes if one.accepted.reason is not Reason.ACCEPTED]
    accepted = (refused or remarked or [one.accepted for one in outcomes])[0]
    behind = [one for one in outcomes if not one.verdict.programmed]
    if behind:
        words = " ".join(f"{one.namespace}: {one.verdict.message}" for one in behind)
        verdict = Verdict(behind[0].verdict.reason, words)
    else:
        verdict = Verdict(Reason.PROGRAMMED, f"All {len(outcomes)} namespaces are served.")
    return [accepted, programmed(tenant, accepted, verdict, now=now)]


def ready_of(tenant: Tenant, pods: Mapping[str, Collection[PodState]]) -> str:
    """Gateway pods that are ready, of all that there should be: `1/1`."""
    gateway = tenant.spec.gateway
    ready = wanted = 0
    for claim in tenant.spec.namespaces:
        here = pods.get(claim.name, ())
        ready += sum(pod.ready for pod in here)
        fewest, most = (gateway.fewest, gateway.most) if gateway else (1, 1)
        wanted += min(max(fewest, len(here)), most)
    return f"{ready}/{wanted}"


def programmed(
    resource: Resource | Broken, accepted: Condition, verdict: Verdict, *, now: datetime
) -> Condition:
    """Whether what was accepted is served; what was not accepted is not."""
    if accepted.status is not Status.TRUE:
        verdict = Verdict(Reason.NOT_ACCEPTED, "See the condition Accepted.")
    return condition(resource, ConditionType.PROGRAMMED, verdict, holds=verdict.programmed, now=now)


def invalid(resource: Broken, *, now: datetime) -> Condition:
    """That the resource can't be read."""
    verdict = Verdict(
        Reason.INVALID,
        f"{resource.ref} does not fit its schema: {resource.problem}; are the CRDs those of this"
        " release?",
    )
    return condition(resource, ConditionType.ACCEPTED, verdict, holds=False, now=now)


def condition(
    resource: Resource | Broken,
    type_: ConditionType,
    verdict: Verdict,
    *,
    holds: bool,
    now: datetime,
) -> Condition:
    """A condition of the generation that was read."""
    return Condition(
        type=type_,
        status=Status.TRUE if holds else Status.FALSE,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=generation_of(resource),
        last_transition_time=now,
    )
