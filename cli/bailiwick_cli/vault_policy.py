"""`bailiwick vault-policy`: what Vault has to be told of a tenant, as commands to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bailiwick_cli.cluster.resources import written
from bailiwick_cli.console import err, out
from bailiwick_cli.errors import FAILED
from bailiwick_cli.kubectl import Kubectl
from bailiwick_cli.problems import show
from bailiwick_cli.resources import Checked, check
from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.vault.grant import Trust, commands, grant, removal


class UnknownTenantError(BailiwickError):
    """No such tenant is in the files; the message names those that are."""


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """The command's options."""

    tenant: str
    paths: tuple[Path, ...]
    """Empty: what is in the cluster."""
    kubectl: tuple[str, ...]
    trust: Trust
    remove: bool


def run(options: PolicyOptions) -> int:
    """Print the commands; 1 where the files are not valid, with what is wrong.

    Raises:
        UnknownTenantError: the files have no such tenant.
        NothingToGrantError: it reads no key from Vault.
    """
    checked = check(options.paths) if options.paths else _cluster(Kubectl(options.kubectl))
    console = out()
    if checked.violations:
        show(checked, console=err())
        # In a cluster somebody else's mistake is no reason: what is wrong there is served nowhere.
        if options.paths:
            return FAILED
    configs = [one for one in checked.configs.values() if one.tenant == options.tenant]
    if not configs:
        raise UnknownTenantError(
            f"tenant {options.tenant!r} is not there; there are:"
            f" {_listed({one.tenant for one in checked.configs.values()})}"
        )
    given = grant(configs, options.trust)
    console.out(removal(given) if options.remove else commands(given), highlight=False, end="")
    return 0


def _cluster(kubectl: Kubectl) -> Checked:
    """What the cluster has, looked at as files are."""
    with written(kubectl) as file:
        return check([file])


def _listed(names: set[str]) -> str:
    found: Sequence[str] = sorted(names)
    return ", ".join(found) if found else "none"
