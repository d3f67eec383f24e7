"""`kubectl bailiwick`: the command for clusters, found by kubectl as `kubectl-bailiwick`."""

from typing import TYPE_CHECKING, Annotated

import typer

from bailiwick_cli.main import AuthMethod, ReportFormat, run_app

if TYPE_CHECKING:
    from bailiwick_cli.kubectl import Kubectl

app = typer.Typer(
    name="kubectl bailiwick",
    help="Tenants and their gateways on this cluster, with your own rights.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Context = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")
]


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
    context: Context = None,
) -> None:
    """Show the limits of tenants and their namespaces, what is used and what is left."""
    from bailiwick_cli.cluster.usage import show_usage

    show_usage(_kubectl(context), tenant)


@app.command()
def quota(
    *,
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Default: the context's.")
    ] = None,
    context: Context = None,
) -> None:
    """Show a namespace's Quotas: used, left, when whole again, what is refused now."""
    from bailiwick_cli.cluster.usage import show_quotas

    show_quotas(_kubectl(context), namespace)


@app.command()
def explain(
    *,
    tenant: Annotated[str, typer.Option(help="The tenant that the caller belongs to.")],
    team: Annotated[str, typer.Option(help="One of the tenant's teams.")],
    model: Annotated[str, typer.Option(help="What the caller would put into `model`.")],
    project: Annotated[str | None, typer.Option(help="One of the team's projects.")] = None,
    user: Annotated[str | None, typer.Option(help="Who calls; default: developer.")] = None,
    tokens: Annotated[
        int | None,
        typer.Option(help="Output tokens that the call asks for. Default: the route's.", min=1),
    ] = None,
    input_bytes: Annotated[
        int, typer.Option(help="Size of the call's body, which bounds its input tokens.", min=1)
    ] = 1000,
    namespace: Annotated[
        str | None,
        typer.Option("-n", "--namespace", help="Where the call is made, if there are several."),
    ] = None,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="text for people, json for programs.")
    ] = ReportFormat.TEXT,
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
    tenant: Annotated[str, typer.Argument(help="Name of the Tenant.")],
    *,
    within: Annotated[
        float, typer.Option(help="Seconds after which it is given up.", min=0.1)
    ] = 30.0,
    context: Context = None,
) -> None:
    """Have a tenant's gateways read their keys from Vault now: a new version is there."""
    from bailiwick_cli.rotate.command import RotateOptions, run

    kubectl = ("--context", context) if context else ()
    run(RotateOptions(tenant=tenant, data_dir=None, kubectl=kubectl, within=within))


@app.command("vault-policy")
def vault_policy(
    tenant: Annotated[str, typer.Argument(help="Name of the Tenant.")],
    *,
    method: Annotated[
        AuthMethod, typer.Option(help="What is mounted at the tenant's vault.authMount.")
    ] = AuthMethod.KUBERNETES,
    audience: Annotated[str, typer.Option(help="As vault.audience of the chart.")] = "vault",
    kv_version: Annotated[
        int, typer.Option(help="Of the KV engine at the tenant's vault.kvMount.", min=1, max=2)
    ] = 2,
    remove: Annotated[
        bool, typer.Option("--remove", help="Print how to take it all back instead.")
    ] = False,
    context: Context = None,
) -> None:
    """Print the Vault commands that let a tenant's gateways read exactly its keys."""
    from bailiwick_cli.vault_policy import PolicyOptions, run
    from bailiwick_operator.vault.grant import Trust

    options = PolicyOptions(
        tenant=tenant,
        paths=(),
        kubectl=("--context", context) if context else (),
        trust=Trust(method=method.value, audience=audience, kv_version=kv_version),
        remove=remove,
    )
    raise typer.Exit(run(options))


def _kubectl(context: str | None) -> "Kubectl":
    from bailiwick_cli.kubectl import Kubectl

    return Kubectl(("--context", context) if context else ())


def main() -> None:
    """Run the plugin; a BailiwickError becomes its message and exit code 1."""
    run_app(app, name="kubectl bailiwick")
