"""The gateway's Deployment, its budget and its journal's volume claim."""

from bailiwick_operator.children.model import Gateway
from bailiwick_operator.children.naming import GATEWAY, SELECTOR, metadata
from bailiwick_operator.children.pod import build_pod_template
from bailiwick_operator.children.volumes import claim_spec
from bailiwick_operator.kube.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
)
from bailiwick_operator.kube.model import Manifest


def build_deployment(gateway: Gateway) -> Manifest:
    """Envoy with its agent; replaced, not doubled, where the counters are in its memory."""
    if gateway.shared_store and gateway.claim is None:
        strategy: Manifest = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
    else:
        # Two pods would count twice, and a volume claim is mounted by one node.
        strategy = {"type": "Recreate"}
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "spec": {
            # An autoscaler's to say, where there is one.
            **({} if gateway.scaling else {"replicas": gateway.replicas}),
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": dict(SELECTOR)},
            "strategy": strategy,
            "template": build_pod_template(gateway),
        },
    }


def build_autoscaler(gateway: Gateway) -> Manifest | None:
    """Says how many pods there are, where the tenant asks for that."""
    if gateway.scaling is None:
        return None
    return {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENT.api_version,
                "kind": DEPLOYMENT.kind,
                "name": GATEWAY,
            },
            "minReplicas": gateway.scaling.least,
            "maxReplicas": gateway.scaling.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": gateway.scaling.cpu_percent,
                        },
                    },
                }
            ],
        },
    }


def build_disruption_budget(gateway: Gateway) -> Manifest:
    """Drains of nodes take one gateway pod at a time; a single pod does not block them."""
    return {
        "apiVersion": POD_DISRUPTION_BUDGET.api_version,
        "kind": POD_DISRUPTION_BUDGET.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": dict(SELECTOR)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def build_journal_claim(gateway: Gateway) -> Manifest | None:
    """A volume for the journal where one is asked for: it outlives the node."""
    if gateway.claim is None:
        return None
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
        "kind": PERSISTENT_VOLUME_CLAIM.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "spec": claim_spec(gateway.claim),
    }
