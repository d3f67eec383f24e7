"""`bailiwick rotate`: what was asked for, and what came of it."""

from dataclasses import dataclass
from pathlib import Path

from bailiwick_cli.console import new_table, note, show_table
from bailiwick_cli.kubectl import Kubectl
from bailiwick_cli.rotate import cluster, local


@dataclass(frozen=True, slots=True)
class RotateOptions:
    """The command's options; `data_dir` None: the tenant is a cluster's."""

    tenant: str
    data_dir: Path | None
    kubectl: tuple[str, ...]
    within: float


def run(options: RotateOptions) -> None:
    """Tell the tenant's gateways, and show that they know.

    Raises:
        CommandError: some do not; the message says what to do.
    """
    if options.data_dir is None:
        taken = cluster.tell(
            options.tenant, kubectl=Kubectl(options.kubectl), within=options.within
        )
        if not taken:
            note(f"Tenant {options.tenant} holds no namespace: there is nobody to tell.")
            return
        table = new_table("namespace", "told after", right=("told after",))
        for one in taken:
            table.add_row(one.namespace, f"{one.seconds:.1f} s")
        show_table(table)
        note("Each gateway reads its keys from Vault now: see bailiwick_key_version.")
        return
    told = local.tell(options.tenant, data_dir=options.data_dir, within=options.within)
    if not told:
        note("Its keys do not come from Vault; a file of keys is followed by itself.")
        return
    table = new_table("namespace", "key", "version before", "version now", "read after")
    for key in told:
        now = str(key.after) if key.after else "none"
        table.add_row(
            key.namespace, key.key, str(key.before or "none"), now, f"{key.seconds:.2f} s"
        )
    show_table(table)
