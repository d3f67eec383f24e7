"""The gateway pod: Envoy, and the agent as a native sidecar (KEP-753).

The agent is an init container that stays: it is up before Envoy starts and goes after it ended, so
that the last records are settled.
"""

from bailiwick_contract.v1.tenant_config_pb2 import Credential
from bailiwick_operator.children.config import CA_FILE, VAULT_CA_FILE
from bailiwick_operator.children.model import Collector, Gateway, Resources, Vault
from bailiwick_operator.children.naming import (
    CONFIG_ACKED,
    CONFIG_CURRENT,
    GATEWAY,
    HTTP_PORT,
    METRICS_PORT,
    SELECTOR,
    labels,
)
from bailiwick_operator.children.volumes import claim_spec
from bailiwick_operator.kube.model import Manifest

RUN = "/run/bailiwick"
"""Sockets, Envoy's bootstrap and records; shared by both containers, gone with the pod."""
DATA = "/var/lib/bailiwick"
"""Journal and ledger spool."""
CONFIG = "/etc/bailiwick/config"
"""`current/` and `acked/` as the operator wrote them."""
OPERATOR = "/var/run/secrets/bailiwick/operator"
"""The token that proves to the operator which pod this is."""
COLLECTOR = "/var/run/secrets/bailiwick/collector"
"""The token that proves to the collector whose rows it brings; only the agent sees it."""
VAULT = "/var/run/secrets/bailiwick/vault"
"""The token that proves to Vault whose gateway this is; only the agent sees it."""

KEYS = "/var/run/secrets/bailiwick/keys"
"""Keys from Secrets, where the platform team allows it; only the agent sees them."""

USER = 10001

END_S = 20
"""What the agent has, after Envoy ended, to settle the last calls and to end."""


def build_pod_template(gateway: Gateway) -> Manifest:
    """The pod as PodSecurity `restricted` wants it, without any token of the Kubernetes API."""
    settings = gateway.settings
    spec: Manifest = {
        "serviceAccountName": GATEWAY,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The agent tells by Envoy's start time whether calls died with an Envoy before.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": settings.drain_seconds + gateway.settle_seconds + END_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(SELECTOR)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "initContainers": [_agent(gateway)],
        "containers": [_envoy(gateway)],
        "volumes": _volumes(gateway),
    }
    if settings.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return {
        "metadata": {
            "labels": labels(gateway.binding),
            "annotations": {"kubectl.kubernetes.io/default-container": "envoy"},
        },
        "spec": spec,
    }


def _agent(gateway: Gateway) -> Manifest:
    settings = gateway.settings
    probe = {"httpGet": {"path": "/healthz", "port": "metrics"}}
    return {
        **_container(gateway, "agent", settings.agent),
        "restartPolicy": "Always",
        "args": ["agent"],
        "env": [
            *_environment(gateway),
            *_vault_environment(settings.vault),
            *_collector_environment(settings.collector, settle_seconds=gateway.settle_seconds),
        ],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 120},
        "livenessProbe": {**probe, "periodSeconds": 10, "timeoutSeconds": 5},
        "volumeMounts": [
            {"name": "run", "mountPath": RUN},
            {"name": "data", "mountPath": DATA},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "operator-token", "mountPath": OPERATOR, "readOnly": True},
            *(
                [{"name": "vault-token", "mountPath": VAULT, "readOnly": True}]
                if settings.vault.address
                else []
            ),
            *(
                [{"name": "collector-token", "mountPath": COLLECTOR, "readOnly": True}]
                if settings.collector.address
                else []
            ),
            *(
                [{"name": "secret-keys", "mountPath": KEYS, "readOnly": True}]
                if _secrets(gateway)
                else []
            ),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _envoy(gateway: Gateway) -> Manifest:
    drain = str(gateway.settings.drain_seconds)
    return {
        **_container(gateway, "envoy", gateway.settings.envoy),
        "args": ["envoy"],
        "env": _environment(gateway),
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        # Ready: the listener is there, the agent answers, and it has a config that Envoy took.
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "lifecycle": {
            "preStop": {"exec": {"command": ["bailiwick-gateway", "drain", "--seconds", drain]}}
        },
        "volumeMounts": [
            {"name": "run", "mountPath": RUN},
            {"name": "data", "mountPath": DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _environment(gateway: Gateway) -> list[Manifest]:
    settings = gateway.settings
    values = {
        "NAMESPACE": gateway.namespace,
        "RUN_DIR": RUN,
        "DATA_DIR": DATA,
        "CONFIG_DIR": CONFIG,
        "HTTP_PORT": str(HTTP_PORT),
        "METRICS_PORT": str(METRICS_PORT),
        "CONCURRENCY": str(settings.concurrency),
        "OPERATOR_ADDRESS": settings.operator_address,
        "OPERATOR_CA": f"{CONFIG}/current/{CA_FILE}",
        "OPERATOR_TOKEN": f"{OPERATOR}/token",
    }
    return [
        *({"name": f"BAILIWICK_{name}", "value": value} for name, value in values.items()),
        {"name": "BAILIWICK_POD_NAME", **_field("metadata.name")},
        {"name": "BAILIWICK_POD_UID", **_field("metadata.uid")},
    ]


def _vault_environment(vault: Vault) -> list[Manifest]:
    """Where Vault is and how to log in; no secret, and nothing where there is no Vault."""
    if not vault.address:
        return []
    values = {
        "ADDRESS": vault.address,
        "METHOD": vault.method,
        "NAMESPACE": vault.namespace,
        "TOKEN": f"{VAULT}/token",
        "CA": f"{CONFIG}/current/{VAULT_CA_FILE}" if vault.ca_bundle else "",
        "POLL": f"{vault.poll_seconds:.15g}",
        "MAX_STALE": f"{vault.max_stale_seconds:.15g}",
        "MAX_AGE": f"{vault.max_age_seconds:.15g}",
    }
    return [
        {"name": f"BAILIWICK_VAULT_{name}", "value": value}
        for name, value in values.items()
        if value
    ]


def _collector_environment(collector: Collector, *, settle_seconds: int) -> list[Manifest]:
    """Where the collector is; its certificate is of the operator's authority."""
    if not collector.address:
        return []
    values = {
        "ADDRESS": collector.address,
        "CA": f"{CONFIG}/current/{CA_FILE}",
        "TOKEN": f"{COLLECTOR}/token",
    }
    found = [
        {"name": f"BAILIWICK_COLLECTOR_{name}", "value": value} for name, value in values.items()
    ]
    if settle_seconds:
        found.append({"name": "BAILIWICK_SETTLE_SECONDS", "value": str(settle_seconds)})
    return found


def _container(gateway: Gateway, name: str, resources: Resources) -> Manifest:
    return {
        "name": name,
        "image": gateway.settings.image,
        "imagePullPolicy": gateway.settings.image_pull_policy,
        "command": ["bailiwick-gateway"],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _field(path: str) -> Manifest:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def _volumes(gateway: Gateway) -> list[Manifest]:
    vault, collector = gateway.settings.vault, gateway.settings.collector
    data: Manifest = {"emptyDir": {}}
    if gateway.claim:
        data = {"persistentVolumeClaim": {"claimName": GATEWAY}}
    elif gateway.claim_each:
        template = {
            "metadata": {"labels": labels(gateway.binding)},
            "spec": claim_spec(gateway.claim_each),
        }
        data = {"ephemeral": {"volumeClaimTemplate": template}}
    return [
        {"name": "run", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "data", **data},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {
            "name": "config",
            "projected": {
                "sources": [
                    _config_source(
                        CONFIG_CURRENT,
                        "current",
                        CA_FILE,
                        *([VAULT_CA_FILE] if gateway.settings.vault.ca_bundle else []),
                    ),
                    _config_source(CONFIG_ACKED, "acked"),
                ],
            },
        },
        _token(
            "operator-token",
            audience=gateway.settings.audience,
            seconds=gateway.settings.token_seconds,
        ),
        *(
            [_token("vault-token", audience=vault.audience, seconds=vault.token_seconds)]
            if vault.address
            else []
        ),
        *(
            [
                _token(
                    "collector-token",
                    audience=collector.audience,
                    seconds=collector.token_seconds,
                )
            ]
            if collector.address
            else []
        ),
        *_secret_volume(gateway),
    ]


def _secrets(gateway: Gateway) -> dict[str, set[str]]:
    """The Secrets, by name, and their entries that the config takes keys from."""
    _, config = gateway.current
    found: dict[str, set[str]] = {}
    for provider in config.providers:
        if provider.credential.type == Credential.TYPE_SECRET:
            found.setdefault(provider.credential.path, set()).add(provider.credential.key)
    return found


def _secret_volume(gateway: Gateway) -> list[Manifest]:
    """Exactly these entries, in memory; a Secret that is not there holds no pod up."""
    sources = [
        {
            "secret": {
                "name": name,
                "optional": True,
                "items": [
                    {"key": entry, "path": f"{name}/{entry}"}
                    for key in sorted(keys)
                    # Beside it the provider's id of the key, where there is one.
                    for entry in (key, f"{key}_id")
                ],
            }
        }
        for name, keys in sorted(_secrets(gateway).items())
    ]
    return [{"name": "secret-keys", "projected": {"sources": sources}}] if sources else []


def _token(name: str, *, audience: str, seconds: int) -> Manifest:
    """A volume with a service-account token that is good for one audience."""
    return {
        "name": name,
        "projected": {
            "sources": [
                {
                    "serviceAccountToken": {
                        "audience": audience,
                        "expirationSeconds": seconds,
                        "path": "token",
                    }
                }
            ],
        },
    }


def _config_source(name: str, folder: str, *more: str) -> Manifest:
    """One config as a folder; absent while the operator has not written it."""
    files = ("config.pb", "sequence", "digest", *more)
    return {
        "configMap": {
            "name": name,
            "optional": True,
            "items": [{"key": file, "path": f"{folder}/{file}"} for file in files],
        }
    }
