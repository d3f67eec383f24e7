"""The PostgreSQL ledger: rows of one proved tenant in, sums of them out."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, String, func, select
from sqlalchemy.dialects import postgresql

from bailiwick_collector.database import Postgres
from bailiwick_collector.errors import SchemaError
from bailiwick_contract.money import decimal_string
from bailiwick_contract.v1.usage_pb2 import PeriodTotal
from bailiwick_sidecar.ledger.schema import MICRO, POSTGRES_STEP, attempts

MONTHS_AHEAD: Final = 4
"""Partitions that are there before their month begins, beside that of the month before."""
_KEY: Final = [attempts.c[name] for name in ("stream_id", "attempt")]
CALLER: Final = ("team", "project", "user", "route", "tier")
_ARRAYS: Final = {String: "text", BigInteger: "bigint", Integer: "integer", Boolean: "boolean"}


def _insert() -> str:
    """One statement for a batch of any size: an array for each column.

    A column for each value would need 40 parameters a row, and a statement for each size.
    """
    preparer = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    names = [preparer.quote(column.name) for column in attempts.columns]
    kinds = [_ARRAYS.get(type(column.type), "json") for column in attempts.columns]
    sent = ", ".join(f"%s::{'text' if kind == 'json' else kind}[]" for kind in kinds)
    taken = ", ".join(
        f"{name}::json" if kind == "json" else name for name, kind in zip(names, kinds, strict=True)
    )
    columns = ", ".join(names)
    return (
        f"INSERT INTO attempts ({columns}) SELECT {taken} FROM unnest({sent})"  # noqa: S608 - names of the schema
        f" AS sent ({columns}) ON CONFLICT DO NOTHING"
    )


INSERT: Final = _insert()
_AT: Final = [column.name for column in attempts.columns]
_ORDER: Final = tuple(_AT.index(column.name) for column in _KEY)


class PostgresLedger:
    """Adds rows and sums them. Blocks; used from threads."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def close(self) -> None:
        """Give the connections back."""
        self._postgres.close()

    def check(self) -> None:
        """Return where the schema is this release's, and months are made ahead.

        Raises:
            SchemaError: the database was not prepared, or by another release.
            DatabaseAwayError: it can't be asked now.
        """
        with self._postgres.transaction() as connection:
            there = connection.exec_driver_sql(
                "SELECT to_regclass('schema_version') IS NOT NULL"
            ).scalar_one()
            step = (
                connection.exec_driver_sql("SELECT version_num FROM schema_version").scalar()
                if there
                else None
            )
            if step != POSTGRES_STEP:
                raise SchemaError(
                    f"the database has step {step or 'none'} of the ledger's schema, this release"
                    f" needs {POSTGRES_STEP}: run `bailiwick-collector migrate` as its owner"
                )
        self.make_months()

    def make_months(self) -> int:
        """How many partitions were made, so that each month has its own before it begins."""
        with self._postgres.transaction() as connection:
            return int(
                connection.exec_driver_sql(
                    "SELECT make_months(now() - interval '1 month', %s)", (MONTHS_AHEAD + 2,)
                ).scalar_one()
            )

    def add(self, tenant: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """How many of the rows were not there before; all are on disk when this returns.

        Raises:
            DatabaseAwayError: none of them is sure to be kept; add them again.
        """
        if not rows:
            return 0
        # In one order, so that two deliveries of the same rows wait for each other, and do not
        # lock each other out.
        ordered = sorted(rows, key=lambda row: tuple(row[at] for at in _ORDER))
        arrays = tuple(list(column) for column in zip(*ordered, strict=True))
        with self._postgres.transaction(tenant=tenant) as connection:
            return connection.exec_driver_sql(INSERT, arrays).rowcount

    def totals(self, tenant: str, *, since: int, until: int) -> Iterator[PeriodTotal]:
        """What the tenant used of admissions from `since` to before `until` (ms; 0: no end).

        Raises:
            DatabaseAwayError: ask again.
        """
        c = attempts.c
        keys = [c[name] for name in (*CALLER, "namespace", "gateway")]
        # The policy says the same; saying it here lets the planner use the index.
        query = select(
            *keys,
            c.currency,
            func.count().label("attempts"),
            func.sum(c.input_tokens).label("taken"),
            func.sum(c.output_tokens).label("given"),
            func.sum(c.cost_micro).label("micro"),
            func.sum(c.cost_rest).label("rest"),
        ).where(c.tenant == tenant, c.admitted_at >= since)
        if until:
            query = query.where(c.admitted_at < until)
        with self._postgres.transaction(tenant=tenant) as connection:
            for row in connection.execute(query.group_by(*keys, c.currency)).mappings():
                yield PeriodTotal(
                    **{column.name: row[column.name] for column in (*keys, c.currency)},
                    attempts=row["attempts"],
                    input_tokens=int(row["taken"]),
                    output_tokens=int(row["given"]),
                    cost=decimal_string(int(row["micro"]) * MICRO + int(row["rest"])),
                )
