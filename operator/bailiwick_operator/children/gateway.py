"""The table of contents: every object of one gateway, in the order in which it is made."""

from bailiwick_operator.children.access import (
    build_role,
    build_role_binding,
    build_service_account,
)
from bailiwick_operator.children.config import build_acked, build_current
from bailiwick_operator.children.model import Gateway
from bailiwick_operator.children.network import (
    build_network_policy,
    build_service,
    build_workload_policy,
)
from bailiwick_operator.children.workload import (
    build_autoscaler,
    build_deployment,
    build_disruption_budget,
    build_journal_claim,
)
from bailiwick_operator.kube.model import Manifest


def build_gateway(gateway: Gateway) -> tuple[Manifest, ...]:
    """What is used comes before what uses it; the policy is there before the first pod."""
    made = (
        build_service_account(gateway),
        build_role(gateway),
        build_role_binding(gateway),
        build_network_policy(gateway),
        build_acked(gateway),
        build_current(gateway),
        build_service(gateway),
        build_disruption_budget(gateway),
        build_workload_policy(gateway),
        build_journal_claim(gateway),
        build_deployment(gateway),
        build_autoscaler(gateway),
    )
    return tuple(manifest for manifest in made if manifest is not None)
