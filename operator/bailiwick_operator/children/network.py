"""How callers reach the gateway, and what it may reach itself."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from bailiwick_contract.v1.tenant_config_pb2 import Issuer, Provider, QuotaStore
from bailiwick_operator.children.model import Gateway, Peer, Vault
from bailiwick_operator.children.naming import (
    GATEWAY,
    HTTP_PORT,
    METRICS_PORT,
    OWNED,
    SELECTOR,
    SERVICE,
    WORKLOADS,
    metadata,
)
from bailiwick_operator.kube.kinds import NETWORK_POLICY
from bailiwick_operator.kube.kinds import SERVICE as SERVICE_KIND
from bailiwick_operator.kube.model import Manifest

NOT_PUBLIC_4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
"""Private, link-local (the cloud's metadata server among them) and reserved (RFC 6890)."""

NOT_PUBLIC_6 = ("::/127", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "ff00::/8")

HTTPS = 443


def build_service(gateway: Gateway) -> Manifest:
    """The address of the tenant's gateway inside the cluster."""
    return {
        "apiVersion": SERVICE_KIND.api_version,
        "kind": SERVICE_KIND.kind,
        "metadata": metadata(gateway.binding, SERVICE),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(SELECTOR),
            "ports": [
                {
                    "name": "http",
                    "port": 80,
                    "targetPort": "http",
                    "protocol": "TCP",
                    "appProtocol": "http",
                }
            ],
        },
    }


def build_network_policy(gateway: Gateway) -> Manifest:
    """Selects gateway pods only; Envoy's own cluster list names the hosts beyond it."""
    ingress: list[Manifest] = [
        {"from": [{"podSelector": {}}], "ports": [_tcp(HTTP_PORT)]},
    ]
    if gateway.settings.monitoring:
        ingress.append(
            {
                "from": [_peer(peer) for peer in gateway.settings.monitoring],
                "ports": [_tcp(METRICS_PORT)],
            }
        )
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": metadata(gateway.binding, GATEWAY),
        "spec": {
            "podSelector": {"matchLabels": dict(SELECTOR)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": _egress(gateway),
        },
    }


def build_workload_policy(gateway: Gateway) -> Manifest | None:
    """Where asked for: every other pod here reaches DNS and the gateway, and nothing else.

    Policies add up: one of the tenant's own that allows more still does (NetworkPolicy v1).
    """
    if not gateway.restrict_workloads:
        return None
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": metadata(gateway.binding, WORKLOADS),
        "spec": {
            "podSelector": {
                "matchExpressions": [{"key": OWNED, "operator": "NotIn", "values": ["true"]}]
            },
            "policyTypes": ["Egress"],
            "egress": [
                _to_dns(gateway.settings.dns),
                {
                    "to": [{"podSelector": {"matchLabels": dict(SELECTOR)}}],
                    "ports": [_tcp(HTTP_PORT)],
                },
            ],
        },
    }


def _to_dns(dns: Peer) -> Manifest:
    return {
        "to": [_peer(dns)],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }


def _egress(gateway: Gateway) -> list[Manifest]:
    settings = gateway.settings
    _, config = gateway.current
    rules: list[Manifest] = [
        _to_dns(settings.dns),
        {"to": [_peer(settings.operator_peer)], "ports": [_tcp(settings.operator_port)]},
        {
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC_4)}},
                {"ipBlock": {"cidr": "::/0", "except": list(NOT_PUBLIC_6)}},
                *({"ipBlock": {"cidr": cidr}} for cidr in settings.private_ranges),
            ],
            "ports": [_tcp(port) for port in sorted({HTTPS, *_public_ports(config.providers)})],
        },
    ]
    namespaces = sorted(
        {name for host in _hosts(config.providers, config.issuers) if (name := _namespace(host))}
    )
    # A policy sees the pod behind a Service, whose port is not the Service's: all of them.
    rules += [
        {"to": [_peer(Peer(namespace_labels={"kubernetes.io/metadata.name": name}))]}
        for name in namespaces
    ]
    rules += _to_vault(settings.vault)
    if settings.collector.address:
        peer, port = settings.collector.peer, settings.collector.port
        rules.append({"to": [_peer(peer)], "ports": [_tcp(port)]})
    if config.HasField("quota_store"):
        rules += _to_store(config.quota_store)
    addresses = {(_single_address(provider.host), provider.port) for provider in config.providers}
    rules += [
        {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [_tcp(port)]}
        for cidr, port in sorted(addresses)
        if cidr
    ]
    return rules


def _to_vault(vault: Vault) -> list[Manifest]:
    """The way to Vault: its pods, its single address, or its port in the public network."""
    if not vault.address:
        return []
    parts = urlsplit(vault.address)
    host = parts.hostname or ""
    port = parts.port or HTTPS
    if vault.peer is not None:
        return [{"to": [_peer(vault.peer)]}]
    return [_to_host(host, port)]


def _to_store(store: QuotaStore) -> list[Manifest]:
    """The way to all that is named: Sentinels with the servers beside them, nodes, or one server.

    Whoever names some of a cluster's nodes, or Sentinels that are not beside their servers, has to
    have all of them in one namespace of Services, or to name them all.
    """
    places = {(one.host, one.port) for one in (*store.sentinels, *store.nodes)}
    places |= {(one.host, store.server_port) for one in store.sentinels}
    if store.host:
        places.add((store.host, store.port))
    found: list[Manifest] = []
    for host, port in sorted(places):
        rule = _to_host(host, port)
        if rule not in found:
            found.append(rule)
    return found


def _to_host(host: str, port: int) -> Manifest:
    """The way to a host: a Service's namespace, a single address, or a port in public."""
    if name := _namespace(host):
        return {"to": [_peer(Peer(namespace_labels={"kubernetes.io/metadata.name": name}))]}
    if cidr := _single_address(host):
        return {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [_tcp(port)]}
    return {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC_4)}}],
        "ports": [_tcp(port)],
    }


def _public_ports(providers: Iterable[Provider]) -> set[int]:
    return {
        provider.port
        for provider in providers
        if not _namespace(provider.host) and not _single_address(provider.host)
    }


def _hosts(providers: Iterable[Provider], issuers: Iterable[Issuer]) -> list[str]:
    hosts = [provider.host for provider in providers]
    for issuer in issuers:
        _, _, rest = issuer.jwks_uri.partition("://")
        hosts.append(rest.partition("/")[0].rpartition("@")[2].partition(":")[0])
    return hosts


def _namespace(host: str) -> str:
    """The namespace of a Service's DNS name, or of one of its pods'; empty for any other host."""
    match host.rstrip(".").removesuffix(".cluster.local").split("."):
        case [_, namespace, "svc"] | [_, _, namespace, "svc"]:
            return namespace
        case _:
            return ""


def _single_address(host: str) -> str:
    """The block of one address that a literal names; empty for a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return ""
    return f"{address}/{address.max_prefixlen}"


def _peer(peer: Peer) -> Manifest:
    found: Manifest = {"namespaceSelector": {"matchLabels": dict(peer.namespace_labels)}}
    if peer.pod_labels:
        found["podSelector"] = {"matchLabels": dict(peer.pod_labels)}
    return found


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
