"""One config, one sequence of bytes, one digest."""

import hashlib

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig


def canonical_bytes(config: TenantConfig) -> bytes:
    """The config's deterministic serialisation (equal configs give equal bytes)."""
    return config.SerializeToString(deterministic=True)


def digest(config: TenantConfig) -> str:
    """SHA-256 of the canonical bytes in hex: the config's version."""
    return hashlib.sha256(canonical_bytes(config)).hexdigest()
