"""Bytes → a config that this agent can obey, whole, or the reason why not."""

import hashlib
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from bailiwick_contract.bounds import MAX_CONFIG_BYTES
from bailiwick_contract.compat import CONTRACT_VERSION, accepts
from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.admission.tables import Tables, tables
from bailiwick_sidecar.config.source import Update
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.periods import Calendar


class ConfigRefusedError(BailiwickError):
    """A config that this agent does not take; what it had before stays in force."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A config with everything that was compiled from it."""

    sequence: int
    digest: str
    data: bytes
    config: TenantConfig
    tables: Tables
    limits: CompiledLimits
    time_zone: str


def accept(update: Update, *, tenant: str = "", namespace: str = "") -> Accepted:
    """The config of an update.

    `tenant` and `namespace`, where given, are what this gateway serves: its counters, journal and
    ledger are theirs, so a config of another is refused.

    Raises:
        ConfigRefusedError: it cannot be read, is of another version, or of another tenant.
        BailiwickError: something in it has no meaning.
    """
    if len(update.data) > MAX_CONFIG_BYTES:
        raise ConfigRefusedError(f"the config is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        config = TenantConfig.FromString(update.data)
    except DecodeError as error:
        raise ConfigRefusedError(
            "the config cannot be read: it is no TenantConfig; was it written whole?"
        ) from error
    if not accepts(config.contract_version):
        raise ConfigRefusedError(
            f"the config has contract version {config.contract_version}, this gateway speaks"
            f" {CONTRACT_VERSION}: bring both to the same release"
        )
    for what, mine, its in (
        ("tenant", tenant, config.tenant),
        ("namespace", namespace, config.namespace),
    ):
        if mine and its != mine:
            raise ConfigRefusedError(
                f"the config is of {what} {its!r}, this gateway serves {mine!r}: start another"
                " gateway with a state directory of its own"
            )
    return Accepted(
        sequence=update.sequence,
        digest=hashlib.sha256(update.data).hexdigest(),
        data=update.data,
        config=config,
        tables=tables(config),
        limits=CompiledLimits.of(config.limits),
        # Looked up here, so that an unknown zone refuses the config.
        time_zone=Calendar(config.time_zone or "UTC").zone.key,
    )
