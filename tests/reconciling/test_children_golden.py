"""What a namespace gets, as recorded; and what must hold of it whatever the settings."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from google.protobuf.json_format import ParseDict

from bailiwick_contract.canon import canonical_bytes, digest
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.children.gateway import build_gateway
from bailiwick_operator.children.model import Binding, Gateway, GatewaySettings, Scaling
from bailiwick_operator.publish.hub import Version

DATA = Path(__file__).parent / "children"
CASES = sorted(DATA.glob("*.in.yaml"))
KINDS_OF_STORE = ("", "-sentinels", "-cluster")


def load(file: Path) -> Gateway:
    said = yaml.safe_load(file.read_text())
    config = ParseDict(
        {
            "contractVersion": 1,
            "tenant": "acme",
            "providers": said.get("providers", []),
            "issuers": said.get("issuers", []),
            **{name: said[name] for name in ("quotaStore",) if name in said},
        },
        TenantConfig(),
    )
    version = Version(sequence=1000, digest=digest(config))
    return Gateway(
        binding=Binding(
            namespace="acme-prod", uid="binding-uid", tenant="acme", tenant_uid="tenant-uid"
        ),
        replicas=said["replicas"],
        shared_store=said.get("sharedStore", False),
        current=(version, config),
        acked=(version, canonical_bytes(config)) if said.get("acked") else None,
        operator_ca="-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n",
        settings=msgspec.convert(said["settings"], GatewaySettings),
        restrict_workloads=said.get("restrictWorkloads", False),
        scaling=Scaling(**said["scaling"]) if "scaling" in said else None,
    )


def pod_spec(gateway: Gateway) -> dict[str, Any]:
    deployment = next(one for one in build_gateway(gateway) if one["kind"] == "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_objects_are_as_recorded(case: Path, golden: Callable[[Path, str], None]) -> None:
    """Each gateway becomes the recorded manifests, in the recorded order."""
    text = yaml.safe_dump_all(build_gateway(load(case)), sort_keys=True, allow_unicode=True)

    golden(case.with_name(case.name.replace(".in.", ".out.")), text)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_same_input_gives_same_objects(case: Path) -> None:
    """Building is a pure function."""
    assert build_gateway(load(case)) == build_gateway(load(case))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_every_object_belongs_to_the_binding(case: Path) -> None:
    """Each object is owned by the TenantBinding and labelled, so that it goes and is watched."""
    for manifest in build_gateway(load(case)):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "acme-prod"
        assert metadata["labels"]["bailiwick.dev/owned"] == "true"
        assert [one["uid"] for one in metadata["ownerReferences"]] == ["binding-uid"]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_pods_are_restricted_and_hold_no_api_token(case: Path) -> None:
    """No container may gain privileges or write its root, and no Kubernetes token is mounted."""
    gateway = load(case)
    spec = pod_spec(gateway)

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    tokens = [
        source["serviceAccountToken"]["audience"]
        for volume in spec["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]
    vault = ["vault"] if gateway.settings.vault.address else []
    collector = ["bailiwick-collector"] if gateway.settings.collector.address else []
    assert tokens == ["bailiwick-operator", *vault, *collector]


def test_one_counter_is_replaced_and_shared_counters_roll() -> None:
    """Two pods that count alone never run at once; a volume claim has one pod too."""
    strategies = {
        case.name: next(one for one in build_gateway(load(case)) if one["kind"] == "Deployment")[
            "spec"
        ]["strategy"]["type"]
        for case in CASES
    }

    several = ("autoscaled", "volumes-each", *(f"shared-store{one}" for one in KINDS_OF_STORE))
    for name in (f"{one}.in.yaml" for one in several):
        assert strategies.pop(name) == "RollingUpdate"
    assert set(strategies.values()) == {"Recreate"}
    gateway = load(DATA / "everything.in.yaml")
    without_claim = msgspec.structs.replace(gateway.settings, storage=None)
    rolling = Gateway(
        binding=gateway.binding,
        replicas=2,
        shared_store=True,
        current=gateway.current,
        acked=None,
        operator_ca="",
        settings=without_claim,
    )
    deployment = next(one for one in build_gateway(rolling) if one["kind"] == "Deployment")
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_metadata_server_is_never_reachable() -> None:
    """No rule lets a gateway reach 169.254.169.254 or an undeclared private range on any port."""
    gateway = load(DATA / "everything.in.yaml")
    policy = next(one for one in build_gateway(gateway) if one["kind"] == "NetworkPolicy")
    blocks = [
        peer["ipBlock"]
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]

    def reachable(text: str) -> bool:
        address = ipaddress.ip_address(text)
        return any(
            address in ipaddress.ip_network(block["cidr"])
            and not any(address in ipaddress.ip_network(hole) for hole in block.get("except", []))
            for block in blocks
        )

    assert [
        reachable(one) for one in ("169.254.169.254", "10.8.0.1", "192.168.1.1", "fd00::1")
    ] == [False] * 4
    assert [reachable(one) for one in ("104.18.0.1", "10.9.3.4", "10.1.2.3")] == [True] * 3
