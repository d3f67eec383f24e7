"""What is in the tenant's namespace before the policies are in force."""

from pathlib import Path
from typing import Any

import yaml
from cluster.control_plane import ControlPlane

ROOT = Path(__file__).parent.parent.parent
POLICIES = ROOT / "helm" / "bailiwick" / "files" / "admission.yaml"
NAMESPACE = "acme-prod"

OBJECTS = """
{apiVersion: v1, kind: Namespace, metadata: {name: acme-prod}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: editor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant-editor}]
---
apiVersion: bailiwick.dev/v1alpha1
kind: TenantBinding
metadata: {name: bailiwick, namespace: acme-prod, labels: {bailiwick.dev/owned: "true"}}
spec:
  tenant: acme
  tenantUID: uid
  ceilings:
    - name: search
      subject: {team: search}
      limits: {tokensPerMinute: 50000, budgets: [{period: Day, amount: "25.00"}]}
  ownProviders:
    hosts:
      - {host: llm.acme.example, region: eu-west-1}
      - {host: "llm.acme.example:8000", region: eu-west-1}
    tier: shared
    vaultPrefix: acme/own
---
{apiVersion: v1, kind: Namespace, metadata: {name: globex-prod}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: TenantBinding
metadata: {name: bailiwick, namespace: globex-prod, labels: {bailiwick.dev/owned: "true"}}
spec: {tenant: globex, tenantUID: other}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bailiwick-gateway, namespace: acme-prod, labels: {bailiwick.dev/owned: "true"}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: bailiwick-gateway-config
  namespace: acme-prod
  labels: {bailiwick.dev/owned: "true"}
---
apiVersion: v1
kind: Pod
metadata: {name: bailiwick-gateway-1, namespace: acme-prod, labels: {bailiwick.dev/owned: "true"}}
spec: {serviceAccountName: bailiwick-gateway, containers: [{name: envoy, image: none}]}
---
apiVersion: bailiwick.dev/v1alpha1
kind: Quota
metadata: {name: standing, namespace: acme-prod}
spec: {subject: {team: support}, limits: {tokensPerMinute: 1}}
"""

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "TenantBinding": "/apis/bailiwick.dev/v1alpha1/namespaces/{}/tenantbindings",
    "ServiceAccount": "/api/v1/namespaces/acme-prod/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/acme-prod/configmaps",
    "Pod": "/api/v1/namespaces/acme-prod/pods",
    "Quota": "/apis/bailiwick.dev/v1alpha1/namespaces/acme-prod/modelquotas",
}


def furnish(plane: ControlPlane) -> None:
    """Make all of it. The editor may do anything that RBAC can give: only policies stop him."""
    document: dict[str, Any]
    for document in yaml.safe_load_all(OBJECTS):
        metadata = document["metadata"]
        path = PATHS[document["kind"]].format(metadata.get("namespace", ""))
        plane.apply(document, f"{path}/{metadata['name']}")
