"""Whether this tenant may serve this namespace, and with so many gateways."""

from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.inputs import CompileInput
from bailiwick_operator.conditions import Reason

RESERVED_PREFIX = "kube-"


def check_ownership(inputs: CompileInput, out: Report) -> bool:
    """True where the namespace is the tenant's own; else the Tenant says whose it is."""
    name = inputs.tenant.metadata.name
    path = namespace_path(inputs.tenant, inputs.namespace)
    if path is None:
        out.refuse(
            "spec.namespaces",
            Reason.INVALID,
            f"namespace {inputs.namespace} is not listed",
            cure="list it, or apply the resources in a namespace that is",
        )
        return False
    winner = min(inputs.claims, default=None)
    if winner is not None and winner.tenant != name:
        out.refuse(
            path,
            Reason.NAMESPACE_CLAIMED,
            f"namespace {inputs.namespace} belongs to tenant {winner.tenant}, whose claim is older",
            cure="remove it here, or have the other tenant give it up",
        )
        return False
    return True


def check_namespaces(tenant: Tenant, out: Report) -> None:
    """Refuse namespaces of the cluster itself."""
    for index, claim in enumerate(tenant.spec.namespaces):
        if claim.name.startswith(RESERVED_PREFIX):
            out.refuse(
                f"spec.namespaces[{index}].name",
                Reason.NAMESPACE_RESERVED,
                "a kube-* namespace belongs to the cluster and to no tenant",
                cure="name a namespace of the tenant",
            )


def check_gateways(inputs: CompileInput, out: Report) -> None:
    """Refuse more than one counter of the same limits without a store that they share."""
    shared = inputs.tenant.spec.quota_store or inputs.quota_store
    if inputs.gateways <= 1 or shared is not None:
        return
    gateway = inputs.tenant.spec.gateway
    path = "spec.gateway.replicas"
    if gateway is not None and gateway.autoscaling is not None:
        path = "spec.gateway.autoscaling"
    elif len(inputs.tenant.spec.namespaces) > 1:
        path = "spec.namespaces"
    out.refuse(
        path,
        Reason.SHARED_STORE_REQUIRED,
        f"{inputs.gateways} gateway pods would each count the tenant's limits alone",
        cure="connect a shared quota store (spec.quotaStore, or the chart's quotaStore), or "
        "run one pod: one namespace and gateway.replicas 1",
    )


def namespace_path(tenant: Tenant, namespace: str) -> str | None:
    """Where the Tenant lists the namespace; None: nowhere."""
    for index, claim in enumerate(tenant.spec.namespaces):
        if claim.name == namespace:
            return f"spec.namespaces[{index}]"
    return None
