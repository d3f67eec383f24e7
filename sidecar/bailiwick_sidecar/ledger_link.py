"""The embedded ledger behind the books; imports SQL, so it comes after admission is open."""

from pathlib import Path

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.writer import LedgerWriter


def embedded_ledger(path: Path, config: TenantConfig, journal: FileJournal) -> LedgerWriter:
    """A running writer of this tenant's rows; it begins with what the journal has."""
    owner = Owner(config.tenant, config.namespace, config.currency)
    writer = LedgerWriter(SqliteLedger(path, owner), journal)
    writer.start()
    return writer
