"""The `bailiwick` command: options and help. The work is imported only when it is asked for."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bailiwick_cli.datadir import DEFAULT_DATA_DIR
from bailiwick_cli.errors import FAILED
from bailiwick_cli.ledger_commands import ledger
from bailiwick_cli.options import (
    Alias,
    Audience,
    AuthMethod,
    Called,
    Context,
    Count,
    DataDir,
    Endpoint,
    InputBytes,
    KvVersion,
    Method,
    Paths,
    Project,
    Remove,
    ReportFormat,
    ReportOutput,
    Team,
    Tenant,
    TenantName,
    Tokens,
    User,
    Within,
    context_arguments,
)
from bailiwick_contract.errors import BailiwickError

app = typer.Typer(
    name="bailiwick",
    help="A gateway to language models for each tenant: metered, limited, accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(ledger, name="ledger")


def _version(wanted: bool) -> None:  # noqa: FBT001  typer calls it with the option's value
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bailiwick {version('bailiwick')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A gateway to language models for each tenant: metered, limited, accounted for."""


@app.command()
def up(
    *,
    file: Paths,
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Serve only this namespace; may be repeated. Default: every one found."),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of the first gateway; the others take the next ones.")
    ] = 8080,
    metrics_port: Annotated[
        int, typer.Option(help="Port of the first gateway's /metrics; the same order.")
    ] = 9090,
    secrets: Annotated[
        Path | None,
        typer.Option(help="YAML file with providers' keys, under the same paths as in Vault."),
    ] = None,
    vault_address: Annotated[
        str | None, typer.Option(help="Vault with providers' keys, instead of --secrets.")
    ] = None,
    vault_token_file: Annotated[
        Path | None, typer.Option(help="File with a token of that Vault.")
    ] = None,
    quota_store: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Redis or Valkey in which the gateways of one tenant count together: HOST:PORT.",
        ),
    ] = None,
    collector: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Collector that takes ledger rows, instead of a file."
        ),
    ] = None,
    collector_ca: Annotated[
        Path | None, typer.Option(help="PEM that the collector's certificate is checked by.")
    ] = None,
    collector_tokens: Annotated[
        Path | None,
        typer.Option(help="Folder with a token for that collector in a file for each namespace."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    echo: Annotated[
        bool, typer.Option("--echo", help="Also start a provider that repeats what it hears.")
    ] = False,
    echo_port: Annotated[int, typer.Option(help="Port of the echo provider.")] = 8091,
) -> None:
    """Serve every namespace found in the files, each by its own gateway on 127.0.0.1."""
    from bailiwick_cli.up.command import UpOptions, serve

    serve(
        UpOptions(
            paths=tuple(file),
            namespaces=tuple(namespace or ()),
            port=port,
            metrics_port=metrics_port,
            secrets=secrets,
            vault_address=vault_address,
            vault_token_file=vault_token_file,
            quota_store=quota_store,
            collector=collector,
            collector_ca=collector_ca,
            collector_tokens=collector_tokens,
            data_dir=data_dir,
            echo_port=echo_port if echo else None,
        )
    )


@app.command()
def token(
    *,
    tenant: Tenant,
    team: Annotated[str | None, typer.Option(help="One of the tenant's teams.")] = None,
    project: Project = None,
    user: User = None,
    service_account: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME", help="Call as a pod of this service account, not as a user."
        ),
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long it is good for: 30s, 15m, 1h, 7d.")] = "1h",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a development token. Only `bailiwick up` on this data directory trusts it."""
    from bailiwick_cli.token import TokenRequest, issue

    issue(
        TokenRequest(
            tenant=tenant,
            team=team,
            project=project,
            user=user,
            service_account=service_account,
            ttl=ttl,
        ),
        data_dir=data_dir,
    )


@app.command()
def validate(
    *,
    file: Paths,
    output: ReportOutput = ReportFormat.TEXT,
) -> None:
    """Check files as the cluster would, without one. Exit code 1 where something is wrong."""
    from bailiwick_cli.validate import check

    raise typer.Exit(check(tuple(file), as_json_text=output is ReportFormat.JSON))


@app.command()
def explain(
    *,
    file: Paths,
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
        str | None, typer.Option(help="Where the call is made, if the tenant has several.")
    ] = None,
    output: ReportOutput = ReportFormat.TEXT,
) -> None:
    """Say where a call would go, what it reserves, and what would refuse it. Needs no gateway."""
    from bailiwick_cli.explain.command import ExplainOptions, run

    options = ExplainOptions(
        paths=tuple(file),
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


@app.command("vault-policy")
def vault_policy(
    tenant: TenantName,
    *,
    file: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A YAML file or a folder. Default: the cluster's."),
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context of the kubeconfig, where no file is given.")
    ] = None,
    method: Method = AuthMethod.KUBERNETES,
    audience: Audience = "vault",
    kv_version: KvVersion = 2,
    remove: Remove = False,
) -> None:
    """Print the Vault commands that let a tenant's gateways read exactly its keys."""
    from bailiwick_cli.vault_policy import PolicyOptions, run
    from bailiwick_operator.vault.grant import Trust

    options = PolicyOptions(
        tenant=tenant,
        paths=tuple(file or ()),
        kubectl=context_arguments(context),
        trust=Trust(method=method.value, audience=audience, kv_version=kv_version),
        remove=remove,
    )
    raise typer.Exit(run(options))


@app.command("store-acl")
def store_acl(
    tenant: TenantName,
    *,
    file: Paths,
    uid: Annotated[
        str, typer.Option(help="The Tenant's metadata.uid, where the files do not say it.")
    ] = "",
    quota_store: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The platform's store, where the files name none."),
    ] = None,
) -> None:
    """Print the commands of Redis that let a tenant's gateways touch its own counters alone."""
    from bailiwick_cli.store_acl import AclOptions, run

    options = AclOptions(tenant=tenant, paths=tuple(file), uid=uid, quota_store=quota_store)
    raise typer.Exit(run(options))


@app.command()
def rotate(
    tenant: TenantName,
    *,
    local: Annotated[
        bool, typer.Option("--local", help="Tell a running `bailiwick up`, not a cluster.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    context: Context = None,
    within: Within = 30.0,
) -> None:
    """Have a tenant's gateways read their keys from Vault now: a new version is there."""
    from bailiwick_cli.rotate.command import RotateOptions, run

    run(
        RotateOptions(
            tenant=tenant,
            data_dir=data_dir if local else None,
            kubectl=context_arguments(context),
            within=within,
        )
    )


def main() -> None:
    """Run the command; a BailiwickError becomes its message and exit code 1."""
    run_app(app)


def run_app(command: typer.Typer, *, name: str | None = None) -> None:
    """Run it; a BailiwickError becomes its message and exit code 1."""
    try:
        command(prog_name=name)
    except BailiwickError as error:
        from bailiwick_cli.console import say_error

        say_error(error)
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: {error.name} is not installed: pip install 'bailiwick[operator,sidecar]'\n"
        )
        sys.exit(FAILED)
    except BrokenPipeError:
        # The reader of our output left (`bailiwick ledger export | head`).
        sys.stderr.close()
        sys.exit(FAILED)
