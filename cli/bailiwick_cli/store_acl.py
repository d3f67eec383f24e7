"""`bailiwick store-acl`: what Redis or Valkey has to be told of a tenant, as commands to run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_cli.console import out
from bailiwick_cli.errors import FAILED, CommandError
from bailiwick_cli.problems import show
from bailiwick_cli.resources import check, local_store
from bailiwick_cli.vault_policy import UnknownTenantError
from bailiwick_contract.v1.tenant_config_pb2 import Credential, QuotaStore

COMMANDS: Final = (
    "+ping",
    "+info",
    "+eval",
    "+evalsha",
    "+time",
    "+hget",
    "+hmget",
    "+hset",
    "+hdel",
    "+hkeys",
    "+hgetall",
    "+del",
    "+pexpire",
)
"""What the gateways' script and their connection use, and nothing else."""
IN_A_CLUSTER: Final = ("+cluster|slots", "+command")
"""And how they find the node that has the tenant's keys."""


class NoStoreError(CommandError):
    """The tenant shares no store that asks for a password."""


@dataclass(frozen=True, slots=True)
class AclOptions:
    """The command's options."""

    tenant: str
    paths: tuple[Path, ...]
    uid: str
    quota_store: str | None


def run(options: AclOptions) -> int:
    """Print the commands; 1 where the files are not valid, with what is wrong.

    Raises:
        UnknownTenantError: the files have no such tenant.
        NoStoreError: it shares no store.
    """
    checked = check(options.paths, quota_store=local_store(options.quota_store))
    if checked.violations:
        show(checked, console=out())
        return FAILED
    configs = [one for one in checked.configs.values() if one.tenant == options.tenant]
    if not configs:
        known = ", ".join(sorted({one.tenant for one in checked.configs.values()})) or "none"
        raise UnknownTenantError(
            f"tenant {options.tenant!r} is not in these files; they have {known}"
        )
    if not configs[0].HasField("quota_store"):
        raise NoStoreError(
            f"tenant {options.tenant} names no store: add spec.quotaStore, or say --quota-store"
            " where the chart's values name the platform's"
        )
    out().out(acl(configs[0].quota_store, options.tenant, options.uid), highlight=False, end="")
    return 0


def acl(store: QuotaStore, tenant: str, uid: str) -> str:
    """Commands for `redis-cli`; whoever runs them puts the password in."""
    prefix = store.prefix
    if uid:
        prefix = f"{prefix.partition(':')[0]}:{uid}}}"
    user = store.user or f"bailiwick-{tenant}"
    where = "into Vault; name its path in spec.quotaStore.password"
    if store.credential.type == Credential.TYPE_VAULT:
        credential = store.credential
        where = f"into field {credential.key} of {credential.mount}/{credential.path} in Vault"
    rights = " ".join((*COMMANDS, *(IN_A_CLUSTER if store.nodes else ())))
    several = "on every node" if store.nodes else "on every server" if store.sentinels else ""
    more = f"# Run this {several}: users are not passed on.\n" if several else ""
    return (
        f"# Tenant {tenant}: its gateways may touch keys that begin with {prefix}, and no others.\n"
        f"# Put a password of 32 random bytes in place of PASSWORD, and {where}.\n"
        f"{more}"
        f"ACL SETUSER {user} reset on >PASSWORD ~{prefix}:* resetchannels -@all {rights}\n"
        "ACL SAVE\n"
    )
