"""`kubectl bailiwick`: the command for clusters, found by kubectl as `kubectl-bailiwick`."""

from typing import TYPE_CHECKING, Annotated

import typer

from bailiwick_cli.main import run_app
from bailiwick_cli.options import (
    Alias,
    Audience,
    AuthMethod,
    Called,
    Context,
    Count,
    Endpoint,
    InputBytes,
    KvVersion,
    Method,
    Project,
    Remove,
    ReportFormat,
    ReportOutput,
    RowsOf,
    Team,
    Tenant,
    TenantName,
    Tokens,
    User,
    Within,
    context_arguments,
)

if TYPE_CHECKING:
    from bailiwick_cli.kubectl import Kubectl

Ledger = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Say who used limits of days and months: the ledger's PostgreSQL, of one tenant. The"
        " password is in a file that PGPASSFILE names.",
    ),
]

app = typer.Typer(
    name="kubectl bailiwick",
    help="Tenants and their gateways on this cluster, with your own rights.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def status(
    tenant: Annotated[str | None, typer.Argument(help="Only this tenant.")] = None,
    *,
    context: Context = None,
) -> None:
    """Say how tenants stand and what keeps something from serving. Exit code 1: something does."""
    from bailiwick_cli.cluster.status import show_status

    raise typer.Exit(show_status(_kubectl(context), tenant))


@app.command()
def usage(
    tenant: Annotated[str | None, typer.Argument(help="Only this tenant.")] = None,
    *,
    database: Ledger = None,
    context: Context = None,
) -> None:
    """Show the limits of tenants and their namespaces: used, left, and by whom."""
    from bailiwick_cli.cluster.usage import show_usage

    resources = show_usage(_kubectl(context), tenant)
    if database is not None:
        from bailiwick_cli.limit_users import show_users

        show_users(resources, database=database, tenant=tenant)


@app.command()
def quota(
    *,
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Default: the context's.")
    ] = None,
    database: Ledger = None,
    tenant: RowsOf = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help="Where days begin. Default: UTC.")
    ] = None,
    context: Context = None,
) -> None:
    """Show a namespace's Quotas: used, left, when whole again, by whom, what is refused now."""
    from bailiwick_cli.cluster.usage import show_quotas

    resources = show_quotas(_kubectl(context), namespace)
    if not (database is tenant is time_zone is None):
        from bailiwick_cli.limit_users import show_users

        show_users(resources, database=database, tenant=tenant, time_zone=time_zone)


@app.command()
def explain(
    *,
    tenant: Tenant,
    team: Team,
    model: Alias,
    project: Project = None,
    user: User = None,
    tokens: Tokens = None,
    input_bytes: InputBytes = 1000,
    endpoint: Called = Endpoint.CHAT,
    count: Count = 1,
    namespace: Annotated[
        str | None,
        typer.Option("-n", "--namespace", help="Where the call is made, if there are several."),
    ] = None,
    output: ReportOutput = ReportFormat.TEXT,
    context: Context = None,
) -> None:
    """Say where a call would go, what it reserves, and what would refuse it, as applied now."""
    from bailiwick_cli.cluster.resources import written
    from bailiwick_cli.explain.command import ExplainOptions, run

    with written(_kubectl(context)) as file:
        options = ExplainOptions(
            paths=(file,),
            tenant=tenant,
            team=team,
            project=project,
            user=user,
            model=model,
            tokens=tokens,
            size=input_bytes,
            endpoint=endpoint.value,
            count=count,
            namespace=namespace,
            as_json_text=output is ReportFormat.JSON,
        )
        raise typer.Exit(run(options))


@app.command()
def token(
    account: Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="A service account.")],
    *,
    duration: Annotated[str, typer.Option(help="How long it is good for: 10m, 1h.")] = "1h",
    context: Context = None,
) -> None:
    """Print a token with which a bound service account calls its gateway, to try it by hand."""
    from bailiwick_cli.cluster.token import create

    typer.echo(create(_kubectl(context), account, duration))


@app.command()
def rotate(
    tenant: TenantName,
    *,
    within: Within = 30.0,
    context: Context = None,
) -> None:
    """Have a tenant's gateways read their keys from Vault now: a new version is there."""
    from bailiwick_cli.rotate.command import RotateOptions, run

    kubectl = context_arguments(context)
    run(RotateOptions(tenant=tenant, data_dir=None, kubectl=kubectl, within=within))


@app.command("vault-policy")
def vault_policy(
    tenant: TenantName,
    *,
    method: Method = AuthMethod.KUBERNETES,
    audience: Audience = "vault",
    kv_version: KvVersion = 2,
    remove: Remove = False,
    context: Context = None,
) -> None:
    """Print the Vault commands that let a tenant's gateways read exactly its keys."""
    from bailiwick_cli.vault_policy import PolicyOptions, run
    from bailiwick_operator.vault.grant import Trust

    options = PolicyOptions(
        tenant=tenant,
        paths=(),
        kubectl=context_arguments(context),
        trust=Trust(method=method.value, audience=audience, kv_version=kv_version),
        remove=remove,
    )
    raise typer.Exit(run(options))


def _kubectl(context: str | None) -> "Kubectl":
    from bailiwick_cli.kubectl import Kubectl

    return Kubectl(context_arguments(context))


def main() -> None:
    """Run the plugin; a BailiwickError becomes its message and exit code 1."""
    run_app(app, name="kubectl bailiwick")
