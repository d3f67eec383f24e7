"""Options that several commands have: one name, one help, one default for each."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[Path],
    typer.Option("-f", "--file", help="A YAML file or a folder of them; may be repeated."),
]
DataDir = Annotated[
    Path,
    typer.Option("--data-dir", help="Where `up` keeps everything that it writes."),
]
Context = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")
]


class ReportFormat(Enum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"


ReportOutput = Annotated[
    ReportFormat, typer.Option("--format", help="text for people, json for programs.")
]

# --- who calls what ---

Tenant = Annotated[str, typer.Option(help="The tenant that the caller belongs to.")]
Team = Annotated[str, typer.Option(help="One of the tenant's teams.")]
Project = Annotated[str | None, typer.Option(help="One of the team's projects.")]
User = Annotated[str | None, typer.Option(help="Who calls; default: developer.")]
Alias = Annotated[str, typer.Option(help="What the caller would put into `model`.")]
Tokens = Annotated[
    int | None,
    typer.Option(help="Output tokens that the call asks for. Default: the route's.", min=1),
]
InputBytes = Annotated[
    int, typer.Option(help="Size of the call's body, which bounds its input tokens.", min=1)
]
Count = Annotated[
    int, typer.Option("--count", help="Choices or images that it asks for (n).", min=1, max=128)
]


class Endpoint(Enum):
    """Paths behind `/v1/`."""

    CHAT = "chat/completions"
    RESPONSES = "responses"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"
    IMAGES = "images/generations"


Called = Annotated[Endpoint, typer.Option(help="Which call it is: the path behind /v1/.")]

# --- Vault ---

TenantName = Annotated[str, typer.Argument(help="Name of the Tenant.")]
Within = Annotated[float, typer.Option(help="Seconds after which it is given up.", min=0.1)]


class AuthMethod(Enum):
    """How gateways log in to Vault."""

    KUBERNETES = "kubernetes"
    JWT = "jwt"


Method = Annotated[
    AuthMethod, typer.Option(help="What is mounted at the tenant's vault.authMount.")
]
Audience = Annotated[str, typer.Option(help="As vault.audience of the chart.")]
KvVersion = Annotated[
    int, typer.Option(help="Of the KV engine at the tenant's vault.kvMount.", min=1, max=2)
]
Remove = Annotated[bool, typer.Option("--remove", help="Print how to take it all back instead.")]


# --- the ledger ---

Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", help="Only this namespace; may be repeated. Default: all."),
]
Zone = Annotated[
    str | None,
    typer.Option("--time-zone", help="Where days begin. Default: the tenant's zone, else UTC."),
]
AsWritten = Annotated[bool, typer.Option("--as-written", help="Leave out what was adjusted later.")]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Read PostgreSQL instead: postgresql://USER@HOST/DATABASE. The password is in a file"
        " that PGPASSFILE names.",
    ),
]
RowsOf = Annotated[str | None, typer.Option(help="With --database: whose rows.")]


class TableFormat(Enum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def context_arguments(context: str | None) -> tuple[str, ...]:
    """What kubectl is given, so that it speaks to this context."""
    return ("--context", context) if context else ()
