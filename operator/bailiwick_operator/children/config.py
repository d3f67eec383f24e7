"""Configs in the namespace, so that a gateway pod starts while the operator is away.

Two objects, because a config may be nearly as large as an object may be.
"""

import base64

from google.protobuf.message import DecodeError

from bailiwick_contract import canon
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.children.model import Gateway
from bailiwick_operator.children.naming import CONFIG_ACKED, CONFIG_CURRENT, metadata
from bailiwick_operator.kube.kinds import CONFIG_MAP
from bailiwick_operator.kube.model import Manifest
from bailiwick_operator.publish.hub import Version

SEQUENCE = "bailiwick.dev/sequence"
DIGEST = "bailiwick.dev/digest"

CONFIG_FILE = "config.pb"
SEQUENCE_FILE = "sequence"
DIGEST_FILE = "digest"
CA_FILE = "operator-ca.pem"
VAULT_CA_FILE = "vault-ca.pem"


def build_current(gateway: Gateway) -> Manifest:
    """The newest config, and what an agent needs to reach the operator."""
    version, config = gateway.current
    manifest = _build(gateway, CONFIG_CURRENT, version, canon.canonical_bytes(config))
    manifest["data"][CA_FILE] = gateway.operator_ca
    if gateway.settings.vault.ca_bundle:
        manifest["data"][VAULT_CA_FILE] = gateway.settings.vault.ca_bundle
    return manifest


def build_acked(gateway: Gateway) -> Manifest | None:
    """The newest config that every ready pod accepted; None before there was one."""
    if gateway.acked is None:
        return None
    version, content = gateway.acked
    return _build(gateway, CONFIG_ACKED, version, content)


def stored_version(manifest: Manifest) -> Version | None:
    """The version that such an object holds, by its annotations; None where they are broken."""
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    try:
        return Version(sequence=int(annotations[SEQUENCE]), digest=str(annotations[DIGEST]))
    except (KeyError, ValueError):
        return None


def stored_config(manifest: Manifest) -> TenantConfig | None:
    """The config that such an object holds; None where it is broken."""
    content = (manifest.get("binaryData") or {}).get(CONFIG_FILE, "")
    try:
        return TenantConfig.FromString(base64.b64decode(content)) if content else None
    except (ValueError, DecodeError):
        return None


def _build(gateway: Gateway, name: str, version: Version, content: bytes) -> Manifest:
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": metadata(
            gateway.binding,
            name,
            more={SEQUENCE: str(version.sequence), DIGEST: version.digest},
        ),
        "data": {SEQUENCE_FILE: str(version.sequence), DIGEST_FILE: version.digest},
        "binaryData": {CONFIG_FILE: base64.b64encode(content).decode()},
    }
