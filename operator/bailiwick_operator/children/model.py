"""Everything that a namespace's objects are made from."""

from dataclasses import dataclass

import msgspec

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.publish.hub import Version


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A strict part of the operator's settings file."""


class Resources(Part, frozen=True, kw_only=True):
    """What a container asks for and may use, as Kubernetes quantities."""

    cpu: str
    memory: str
    memory_limit: str


class Storage(Part, frozen=True, kw_only=True):
    """A volume claim for the journal; `class_name` empty: the cluster's default class."""

    size: str
    class_name: str = ""


class Peer(Part, frozen=True, kw_only=True):
    """Pods that a network policy lets through: by labels of their namespace and their own."""

    namespace_labels: dict[str, str]
    pod_labels: dict[str, str] = {}


class Vault(Part, frozen=True, kw_only=True):
    """Where gateways read providers' keys; `address` empty: nowhere.

    `audience` is that of the projected token with which they log in. `ca_bundle` is PEM, empty for
    the image's trust store. `peer` lets a Vault inside the cluster through the network policy.
    """

    address: str = ""
    method: str = "kubernetes"
    namespace: str = ""
    audience: str = "vault"
    token_seconds: int = 600
    ca_bundle: str = ""
    poll_seconds: float = 30.0
    max_stale_seconds: float = 86400.0
    max_age_seconds: float = 7776000.0
    peer: Peer | None = None


class Collector(Part, frozen=True, kw_only=True):
    """Where gateways bring their ledger rows; `address` empty: each keeps its own ledger.

    Its certificate is of the same authority as the operator's.
    """

    address: str = ""
    audience: str = "bailiwick-collector"
    token_seconds: int = 3600
    port: int = 8444
    peer: Peer = Peer(
        namespace_labels={"kubernetes.io/metadata.name": "bailiwick-system"},
        pod_labels={"app.kubernetes.io/name": "bailiwick-collector"},
    )


class GatewaySettings(Part, frozen=True, kw_only=True):
    """What all gateways of a cluster share; the chart's values.

    `drain_seconds` is how long a gateway that goes away lets streams run on; `settle_seconds` how
    long it then waits for the collector to take its last rows, where its journal goes with it.
    `leave_seconds` is how long a namespace that leaves its tenant waits for that. `concurrency` is
    the number of Envoy's worker threads. `private_ranges` are the private address ranges that
    gateways may reach; other private and link-local ones they may not.
    """

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    operator_address: str = "bailiwick-operator.bailiwick-system.svc:8443"
    operator_peer: Peer = Peer(
        namespace_labels={"kubernetes.io/metadata.name": "bailiwick-system"},
        pod_labels={"app.kubernetes.io/name": "bailiwick-operator"},
    )
    operator_port: int = 8443
    audience: str = "bailiwick-operator"
    token_seconds: int = 3600
    drain_seconds: int = 120
    settle_seconds: int = 60
    leave_seconds: int = 1800
    concurrency: int = 1
    dns: Peer = Peer(namespace_labels={"kubernetes.io/metadata.name": "kube-system"})
    monitoring: tuple[Peer, ...] = ()
    private_ranges: tuple[str, ...] = ()
    storage: Storage | None = None
    vault: Vault = Vault()
    collector: Collector = Collector()
    envoy: Resources = Resources(cpu="100m", memory="128Mi", memory_limit="512Mi")
    agent: Resources = Resources(cpu="100m", memory="192Mi", memory_limit="512Mi")


@dataclass(frozen=True, slots=True)
class Binding:
    """The namespace's TenantBinding as it stands: owner of everything else there."""

    namespace: str
    uid: str
    tenant: str
    tenant_uid: str


@dataclass(frozen=True, slots=True)
class Scaling:
    """Between how many pods an autoscaler chooses, by their CPU in percent of their requests."""

    least: int
    most: int
    cpu_percent: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """One namespace's gateway as it should be.

    `acked` is the newest config that ready pods accepted, None while there was none yet.
    `operator_ca` is the PEM bundle that agents verify the operator's certificate with.
    `scaling` takes the place of `replicas`. `restrict_workloads` keeps the namespace's other pods
    from connecting elsewhere.
    """

    binding: Binding
    replicas: int
    shared_store: bool
    current: tuple[Version, TenantConfig]
    acked: tuple[Version, bytes] | None
    operator_ca: str
    settings: GatewaySettings
    restrict_workloads: bool = False
    scaling: Scaling | None = None

    @property
    def _several(self) -> bool:
        return self.replicas > 1 or self.scaling is not None

    @property
    def claim(self) -> Storage | None:
        """The journal's volume claim that outlives the pod: of a gateway that is one pod."""
        return None if self._several else self.settings.storage

    @property
    def claim_each(self) -> Storage | None:
        """A volume claim for each pod, which goes with it: a journal has one writer."""
        return self.settings.storage if self._several else None

    @property
    def settle_seconds(self) -> int:
        """How long a pod that goes waits for the collector to take its last rows.

        Where the journal outlives the pod, the next pod brings them.
        """
        waits = self.settings.collector.address and self.claim is None
        return self.settings.settle_seconds if waits else 0

    @property
    def namespace(self) -> str:
        """Where the gateway lives."""
        return self.binding.namespace
