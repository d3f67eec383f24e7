"""`kubectl bailiwick token`: a token with which a bound service account calls its gateway."""

from bailiwick_cli.cluster.resources import kinds
from bailiwick_cli.errors import CommandError
from bailiwick_cli.kubectl import Kubectl


def create(kubectl: Kubectl, account: str, duration: str) -> str:
    """The token, for the audience of the Tenant that binds the account.

    Raises:
        CommandError: the account is written wrongly, or no Tenant binds it.
        KubectlError: the user may not request it.
    """
    namespace, _, name = account.partition("/")
    if not namespace or not name or "/" in name:
        raise CommandError(f"{account!r} is no service account: write NAMESPACE/NAME")
    bound: list[str] = []
    for tenant in kubectl.items(kinds("tenants")):
        accounts = tenant["spec"].get("callers", {}).get("serviceAccounts") or {}
        for one in accounts.get("bindings", ()):
            if (one["namespace"], one["serviceAccount"]) == (namespace, name):
                audience = accounts.get("audience", "bailiwick")
                where = ("--namespace", namespace, f"--audience={audience}")
                return kubectl("create", "token", name, *where, f"--duration={duration}").strip()
            bound.append(f"{one['namespace']}/{one['serviceAccount']}")
    raise CommandError(
        f"no Tenant binds service account {account}, so a gateway would refuse it (bound:"
        f" {', '.join(sorted(bound)) or 'none'}): add it to spec.callers.serviceAccounts.bindings"
    )
