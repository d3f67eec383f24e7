"""Adjustments: what is found out about a row later is written beside it, never over it."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.reading import Source
from bailiwick_sidecar.ledger.schema import (
    MICRO,
    SCHEMA_VERSION,
    SQLITE_TRIGGERS,
    adjustments,
    metadata,
)
from bailiwick_sidecar.ledger.store import add_columns

RERATED: Final = "rerated"
RECONCILED: Final = "reconciled"
WAIT_SECONDS: Final = 30.0
"""How long it waits for a gateway that writes its rows."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row as it stands: what was written, or its last adjustment. Money in picounits."""

    tenant: str
    stream_id: str
    attempt: int
    revision: int
    """0: as it was written."""
    state: str
    input_tokens: int
    output_tokens: int
    price_source: str
    price_version: str
    cost: int

    @classmethod
    def of(cls, found: Any) -> "Standing":
        """From a row of `with_revisions`."""
        new = "new_" if found["new_revision"] else ""
        return cls(
            tenant=found["tenant"],
            stream_id=found["stream_id"],
            attempt=found["attempt"],
            revision=found["new_revision"] or 0,
            state=found[f"{new}state"],
            input_tokens=found[f"{new}input_tokens"],
            output_tokens=found[f"{new}output_tokens"],
            price_source=found[f"{new}price_source"],
            price_version=found["new_price_version"] or "",
            cost=found[f"{new}cost_micro"] * MICRO + found[f"{new}cost_rest"],
        )


@dataclass(frozen=True, slots=True)
class Adjustment:
    """From how a row stood to how it stands now. `made_at` is ms since the epoch."""

    before: Standing
    after: Standing
    made_at: int
    reason: str
    note: str


def add(connection: Connection, made: Iterable[Adjustment]) -> None:
    """Insert them; a revision that is there already is the database's refusal."""
    rows = [_values(one) for one in made]
    if rows:
        connection.execute(adjustments.insert(), rows)


def record(ledger: Source, made: Sequence[Adjustment]) -> None:
    """Write them into a ledger, all or none.

    Raises:
        LedgerUnavailableError: it is locked or unwritable, this login may not adjust it, or
            another run adjusted one of the rows meanwhile; nothing was written.
    """
    if not made:
        return
    try:
        with _appending(ledger) if isinstance(ledger, Path) else ledger.appending() as connection:
            add(connection, made)
    except IntegrityError as error:
        name = f"ledger {ledger}" if isinstance(ledger, Path) else "the database"
        raise LedgerUnavailableError(
            f"{name}: another run adjusted the same rows meanwhile; nothing was written. "
            "Run the command again: it begins with how they stand now"
        ) from error


@contextmanager
def _appending(path: Path) -> Iterator[Connection]:
    """A transaction on a ledger file of this release."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_SECONDS
        ),
    )
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = FULL")
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version != SCHEMA_VERSION:
                raise LedgerUnavailableError(
                    f"ledger {path} has schema {version}, this release writes {SCHEMA_VERSION}: "
                    "use the release that wrote it"
                )
            metadata.create_all(connection)
            add_columns(connection)
            for trigger in SQLITE_TRIGGERS:
                connection.exec_driver_sql(trigger)
            yield connection
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise LedgerUnavailableError(
            f"ledger {path} takes no adjustments ({getattr(error, 'orig', None) or error}); "
            "nothing was written: check its mode and the space there, and run the command again"
        ) from error
    finally:
        engine.dispose()


def _values(one: Adjustment) -> dict[str, Any]:
    after = one.after
    micro, rest = divmod(after.cost, MICRO)
    return {
        "tenant": after.tenant,
        "stream_id": after.stream_id,
        "attempt": after.attempt,
        "revision": after.revision,
        "made_at": one.made_at,
        "reason": one.reason,
        "note": one.note,
        "state": after.state,
        "input_tokens": after.input_tokens,
        "output_tokens": after.output_tokens,
        "price_source": after.price_source,
        "price_version": after.price_version,
        "cost": decimal_string(after.cost),
        "cost_micro": micro,
        "cost_rest": rest,
        "delta": decimal_string(after.cost - one.before.cost),
    }
