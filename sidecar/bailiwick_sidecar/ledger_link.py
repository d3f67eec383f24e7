"""The embedded ledger behind the books; imports SQL, so it comes after admission is open."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.retention import forget, kept_since
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.writer import LedgerWriter

log = logging.getLogger(__name__)


def embedded_ledger(path: Path, config: TenantConfig, journal: FileJournal) -> LedgerWriter:
    """A running writer of this tenant's rows; it begins with what the journal has."""
    owner = Owner(config.tenant, config.namespace, config.currency)
    writer = LedgerWriter(SqliteLedger(path, owner), journal)
    writer.start()
    return writer


def forget_old(path: Path, config: TenantConfig, now: int) -> None:
    """Rows that the tenant keeps no longer are gone; `now` is ms since the epoch."""
    days = config.logging.retention_days
    if not days:
        return
    moment = datetime.fromtimestamp(now / 1000, UTC)
    before = kept_since(moment, days=days, zone=ZoneInfo(config.time_zone))
    try:
        gone = forget(path, before=before)
    except LedgerUnavailableError as error:
        log.warning("event=retention_postponed error=%r", str(error))
        return
    if gone:
        log.info("event=rows_forgotten rows=%d before=%s", gone, before.isoformat())
