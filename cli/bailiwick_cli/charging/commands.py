"""Options and help of the ledger's commands about money. The work is imported when asked for."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bailiwick_cli.asking import asked
from bailiwick_cli.datadir import DEFAULT_DATA_DIR
from bailiwick_cli.options import (
    AsWritten,
    Database,
    DataDir,
    Namespaces,
    Paths,
    RowsOf,
    TableFormat,
    Zone,
)

From = Annotated[
    str, typer.Option("--from", help="A date, an RFC 3339 time, or an age: admitted then or later.")
]
To = Annotated[
    str | None,
    typer.Option("--to", help="Like --from: admitted before that; of a date, before it begins."),
]


class InvoiceOf(Enum):
    """Whose export a file is."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    AZURE = "azure"
    AWS_CUR = "aws-cur"


Output = Annotated[
    TableFormat, typer.Option("--output", "--format", "-o", help="table, csv or json.")
]


def add_commands(ledger: typer.Typer) -> None:
    """`bailiwick ledger` has the commands about money."""
    ledger.command()(report)
    ledger.command()(rerate)
    ledger.command()(reconcile)


def report(
    *,
    by: Annotated[
        str,
        typer.Option(
            help="What to sum by: cost-center, team, project, user, model, provider, namespace,"
            " route, day, month, tag:NAME, …; or several of them."
        ),
    ] = "cost-center",
    since: From,
    until: To = None,
    namespace: Namespaces = None,
    as_written: AsWritten = False,
    time_zone: Zone = None,
    output: Output = TableFormat.TABLE,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Who is charged what: exact sums of a period, with totals and shares."""
    from bailiwick_cli.charging.report import show_report

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
    )
    show_report(question, by=by)


def rerate(
    *,
    file: Paths,
    since: From,
    until: To = None,
    namespace: Namespaces = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")
    ] = False,
    time_zone: Zone = None,
    output: Output = TableFormat.TABLE,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Rate a period again with corrected prices; what differs is written beside the rows."""
    from bailiwick_cli.charging.rerate import show_rerating

    question = asked(
        data_dir=data_dir,
        output=output,
        namespace=namespace,
        since=since,
        until=until,
        time_zone=time_zone,
        database=database,
        tenant=tenant,
    )
    show_rerating(question, files=file, dry_run=dry_run)


def reconcile(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Exports of one provider and period.")
    ],
    *,
    provider: Annotated[InvoiceOf, typer.Option(help="Whose exports the files are.")],
    threshold: Annotated[
        str, typer.Option(help="Exit with 3 where a model's drift is more than this.")
    ] = "1%",
    of: Annotated[
        list[str] | None,
        typer.Option("--of", help="Provider in the ledger that the files are about; repeatable."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="KEY-ID=KEY: which key of the ledger it is in the files (provider_key,"
            " provider_key_id, or a provider with one key); repeatable.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="NAME=MODEL: the ledger's name of a model; repeatable."),
    ] = None,
    exchange_rate: Annotated[
        str | None, typer.Option(help="What one unit of the files' currency is in the tenant's.")
    ] = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="Settle unknown rows that the files explain.")
    ] = False,
    namespace: Namespaces = None,
    output: Output = TableFormat.TABLE,
    database: Database = None,
    tenant: RowsOf = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Compare the ledger with what a provider charges: drift by day, model and key."""
    from bailiwick_cli.charging.reconcile import Claim, show_reconciliation

    question = asked(
        data_dir=data_dir, output=output, namespace=namespace, database=database, tenant=tenant
    )
    claim = Claim(
        provider=provider.value,
        files=tuple(files),
        of=tuple(of or ()),
        keys=tuple(key or ()),
        models=tuple(model or ()),
        exchange_rate=exchange_rate,
        threshold=threshold,
        settle=settle,
    )
    raise typer.Exit(show_reconciliation(question, claim))
