"""Options and help of `bailiwick ledger`. The work is imported only when it is asked for."""

from typing import Annotated

import typer

from bailiwick_cli.asking import asked
from bailiwick_cli.charging.commands import add_commands
from bailiwick_cli.datadir import DEFAULT_DATA_DIR
from bailiwick_cli.options import (
    AsWritten,
    Database,
    DataDir,
    Namespaces,
    RowsOf,
    TableFormat,
    Zone,
)

ledger = typer.Typer(
    help="What was called, by whom, at what cost: one row per upstream attempt.",
    no_args_is_help=True,
)
add_commands(ledger)


Since = Annotated[
    str | None,
    typer.Option(help="A date, an RFC 3339 time, or an age such as 2h: admitted then or later."),
]
Until = Annotated[str | None, typer.Option(help="Like --since: admitted before that.")]
Team = Annotated[str | None, typer.Option(help="Only this team.")]
Project = Annotated[str | None, typer.Option(help="Only this project.")]
User = Annotated[str | None, typer.Option(help="Only this user.")]
Model = Annotated[str | None, typer.Option(help="Only this model, as the provider calls it.")]
Provider = Annotated[str | None, typer.Option(help="Only this provider.")]
State = Annotated[
    str | None, typer.Option(help="Only rows that are settled, estimated, void or unknown.")
]
Format = Annotated[TableFormat, typer.Option("--format", help="table, json or csv.")]


@ledger.command()
def top(
    *,
    by: Annotated[
        str,
        typer.Option(
            help="What to sum by: team, project, user, model, day, tag:NAME, …; or several of them."
        ),
    ] = "team,model",
    limit: Annotated[int, typer.Option(help="How many groups; 0: all.", min=0)] = 20,
    namespace: Namespaces = None,
    since: Since = None,
    until: Until = None,
    team: Team = None,
    project: Project = None,
    user: User = None,
    model: Model = None,
    provider: Provider = None,
    state: State = None,
    time_zone: Zone = None,
    output: Format = TableFormat.TABLE,
    as_written: AsWritten = False,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Sums of cost, tokens and attempts, the dearest first."""
    from bailiwick_cli.ledger import show_top

    question = asked(
        data_dir=data_dir,
        output=output,
        namespace=namespace,
        since=since,
        until=until,
        time_zone=time_zone,
        as_written=as_written,
        database=database,
        tenant=tenant,
        team=team,
        project=project,
        user=user,
        model=model,
        provider=provider,
        state=state,
    )
    show_top(question, by=by, limit=limit)


@ledger.command()
def show(
    request_id: Annotated[str, typer.Argument(help="The `x-request-id` of an answer.")],
    *,
    namespace: Namespaces = None,
    output: Format = TableFormat.TABLE,
    as_written: AsWritten = False,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Every attempt of one request."""
    from bailiwick_cli.ledger import show_request

    question = asked(
        data_dir=data_dir,
        output=output,
        namespace=namespace,
        as_written=as_written,
        database=database,
        tenant=tenant,
    )
    show_request(question, request_id=request_id)


@ledger.command()
def export(
    *,
    namespace: Namespaces = None,
    since: Since = None,
    until: Until = None,
    team: Team = None,
    project: Project = None,
    user: User = None,
    model: Model = None,
    provider: Provider = None,
    state: State = None,
    time_zone: Zone = None,
    output: Format = TableFormat.JSON,
    as_written: AsWritten = False,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """One row per upstream attempt, oldest first."""
    from bailiwick_cli.ledger import export_rows

    question = asked(
        data_dir=data_dir,
        output=output,
        namespace=namespace,
        since=since,
        until=until,
        time_zone=time_zone,
        as_written=as_written,
        database=database,
        tenant=tenant,
        team=team,
        project=project,
        user=user,
        model=model,
        provider=provider,
        state=state,
    )
    export_rows(question)
