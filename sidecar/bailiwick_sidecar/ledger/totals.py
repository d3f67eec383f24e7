"""What a tenant's gateways used since a moment, from wherever their rows are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from bailiwick_sidecar.ledger.errors import LedgerUnavailableError, LedgerUnreadableError
from bailiwick_sidecar.ledger.reading import opened
from bailiwick_sidecar.ledger.schema import MICRO, attempts
from bailiwick_sidecar.quota.model import Caller
from bailiwick_sidecar.quota.rebuilding import Used

CALLER: Final = ("team", "project", "user", "route", "tier")
_BY: Final = ("gateway", "namespace", *CALLER, "currency")


class Totals(Protocol):
    """Sums of rows. Blocks; used from a thread."""

    def since(self, moment: int) -> Iterator[Used]:
        """What was used of admissions from this moment (ms) on.

        Raises:
            LedgerUnavailableError: it can't be said now.
        """
        ...


class FileTotals:
    """Over the ledger files of one machine's gateways, as far as their rows are the tenant's."""

    def __init__(self, own: Path, others: Path | None, tenant: str) -> None:
        """`others` is the folder in which each gateway has its own, with a ledger in it."""
        self._own = own
        self._others = others
        self._tenant = tenant

    def since(self, moment: int) -> Iterator[Used]:
        """See Totals."""
        files = {self._own}
        if self._others is not None:
            files.update(self._others.glob(f"*/{self._own.name}"))
        c = attempts.c
        by = [c[name] for name in _BY]
        query = (
            select(
                *by,
                func.sum(c.input_tokens + c.output_tokens).label("tokens"),
                func.sum(c.cost_micro).label("micro"),
                func.sum(c.cost_rest).label("rest"),
            )
            .where(c.tenant == self._tenant, c.admitted_at >= moment)
            .group_by(*by)
        )
        try:
            for path in sorted(files):
                if not path.exists():
                    continue  # its gateway has had no call yet
                with opened(path) as connection:
                    for row in connection.execute(query).mappings():
                        yield Used(
                            gateway=row["gateway"],
                            namespace=row["namespace"],
                            caller=Caller(*(row[name] for name in CALLER)),
                            currency=row["currency"],
                            tokens=int(row["tokens"]),
                            cost=int(row["micro"]) * MICRO + int(row["rest"]),
                        )
        except (LedgerUnreadableError, SQLAlchemyError) as error:
            raise LedgerUnavailableError(str(error)) from error
