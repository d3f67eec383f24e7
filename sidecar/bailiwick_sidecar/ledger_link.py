"""The ledger behind the books; imports SQL or gRPC, so it comes after admission is open."""

import logging
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.counting import replica_id
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.retention import forget, kept_since
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import RowSink, SqliteLedger
from bailiwick_sidecar.ledger.totals import FileTotals, Totals
from bailiwick_sidecar.ledger.writer import LedgerWriter
from bailiwick_sidecar.settings import Settings

log = logging.getLogger(__name__)


def ledger_of(settings: Settings, config: TenantConfig, journal: FileJournal) -> LedgerWriter:
    """A running writer of this tenant's rows; it begins with what the journal has.

    They go to the collector where there is one, else into a file.
    """
    owner = _owner(settings, config)
    writer = LedgerWriter(_sink(settings, owner), journal)
    writer.start()
    return writer


def _owner(settings: Settings, config: TenantConfig) -> Owner:
    gateway = replica_id(settings.state_dir)
    return Owner(config.tenant, config.namespace, config.currency, gateway)


def _sink(settings: Settings, owner: Owner) -> RowSink:
    if settings.collector is None:
        return SqliteLedger(settings.ledger, owner)
    from bailiwick_sidecar.ledger.remote import CollectorSink  # noqa: PLC0415 - only where needed

    return CollectorSink(settings.collector, owner)


def totals_of(settings: Settings, config: TenantConfig) -> Totals:
    """What this tenant's gateways used, from wherever rows go; this one's are among them."""
    if settings.collector is None:
        return FileTotals(settings.ledger, settings.ledgers, config.tenant)
    from bailiwick_sidecar.ledger.remote_totals import CollectorTotals  # noqa: PLC0415 - as above

    return CollectorTotals(settings.collector, _owner(settings, config))


def forget_old(settings: Settings, config: TenantConfig, now: int) -> None:
    """Rows that the tenant keeps no longer are gone from its file; `now` is ms since the epoch.

    With a collector this is about what the file had from before.
    """
    days = config.logging.retention_days
    if not days:
        return
    moment = datetime.fromtimestamp(now / 1000, UTC)
    before = kept_since(moment, days=days, zone=ZoneInfo(config.time_zone))
    try:
        gone = forget(settings.ledger, before=before)
    except LedgerUnavailableError as error:
        log.warning("event=retention_postponed error=%r", str(error))
        return
    if gone:
        log.info("event=rows_forgotten rows=%d before=%s", gone, before.isoformat())
