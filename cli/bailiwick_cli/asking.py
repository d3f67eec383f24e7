"""Options of the ledger's commands as one question."""

from pathlib import Path
from typing import TYPE_CHECKING

from bailiwick_cli.options import TableFormat

if TYPE_CHECKING:
    from bailiwick_cli.ledger import Question


def asked(
    *,
    data_dir: Path,
    output: TableFormat,
    namespace: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    time_zone: str | None = None,
    as_written: bool = False,
    database: str | None = None,
    tenant: str | None = None,
    **equal: str | None,
) -> "Question":
    """The question that these options ask; `equal` says which columns must have which value."""
    from bailiwick_cli.ledger import Question  # noqa: PLC0415 - SQL, only where it is asked

    return Question(
        data_dir=data_dir,
        output=output.value,
        namespaces=tuple(namespace or ()),
        since=since,
        until=until,
        time_zone=time_zone,
        equal=equal,
        adjusted=not as_written,
        database=database,
        tenant=tenant,
    )
