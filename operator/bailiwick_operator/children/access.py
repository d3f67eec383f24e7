"""Who the gateway is, and what it may ask of the Kubernetes API: nothing."""

from bailiwick_operator.children.model import Gateway
from bailiwick_operator.children.naming import GATEWAY, metadata
from bailiwick_operator.kube.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT
from bailiwick_operator.kube.model import Manifest


def build_service_account(gateway: Gateway) -> Manifest:
    """The gateway's identity, to the operator and to Vault; no token is mounted by itself."""
    return {
        "apiVersion": SERVICE_ACCOUNT.api_version,
        "kind": SERVICE_ACCOUNT.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "automountServiceAccountToken": False,
    }


def build_role(gateway: Gateway) -> Manifest:
    """No rules: the agent gets all that it needs from the operator, and holds no API token."""
    return {
        "apiVersion": ROLE.api_version,
        "kind": ROLE.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "rules": [],
    }


def build_role_binding(gateway: Gateway) -> Manifest:
    """Gives the account that role; it exists so that a later rule reaches running gateways."""
    return {
        "apiVersion": ROLE_BINDING.api_version,
        "kind": ROLE_BINDING.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "roleRef": {"apiGroup": ROLE.group, "kind": ROLE.kind, "name": GATEWAY},
        "subjects": [
            {"kind": "ServiceAccount", "name": GATEWAY, "namespace": gateway.namespace},
        ],
    }
