"""The resource types that the operator reads or writes."""

from bailiwick_operator.kube.model import Kind, Manifest

GROUP = "bailiwick.dev"
VERSION = "v1alpha1"

TENANT = Kind(GROUP, VERSION, "Tenant", "tenants", namespaced=False)
CLUSTER_MODEL_PROVIDER = Kind(
    GROUP, VERSION, "ClusterModelProvider", "clustermodelproviders", namespaced=False
)
PRICE_BOOK = Kind(GROUP, VERSION, "PriceBook", "pricebooks", namespaced=False)
MODEL_PROVIDER = Kind(GROUP, VERSION, "ModelProvider", "modelproviders")
MODEL_ROUTE = Kind(GROUP, VERSION, "ModelRoute", "modelroutes")
QUOTA = Kind(GROUP, VERSION, "Quota", "modelquotas")
TENANT_BINDING = Kind(GROUP, VERSION, "TenantBinding", "tenantbindings")

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("", "v1", "Pod", "pods")
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
PERSISTENT_VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
HORIZONTAL_POD_AUTOSCALER = Kind(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"
)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
TOKEN_REVIEW = Kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False)

OURS = (
    TENANT,
    CLUSTER_MODEL_PROVIDER,
    PRICE_BOOK,
    MODEL_PROVIDER,
    MODEL_ROUTE,
    QUOTA,
    TENANT_BINDING,
)
"""The custom resources."""

CHILDREN = (
    SERVICE_ACCOUNT,
    ROLE,
    ROLE_BINDING,
    CONFIG_MAP,
    SERVICE,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    PERSISTENT_VOLUME_CLAIM,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
)
"""What a tenant namespace gets, in the order in which it is made: what is used comes first."""

_BY_TYPE = {(kind.api_version, kind.kind): kind for kind in (*OURS, *CHILDREN, NAMESPACE, SECRET)}


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a manifest; KeyError where the operator does not write it."""
    return _BY_TYPE[manifest["apiVersion"], manifest["kind"]]
