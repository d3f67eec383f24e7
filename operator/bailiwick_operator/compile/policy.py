"""The tenant's plain settings: money, time, tags, outages, logging."""

from bailiwick_contract.v1.tenant_config_pb2 import (
    Logging,
    OnOutage,
    TenantConfig,
    UnpricedModels,
)
from bailiwick_operator.api.rules import is_time_zone
from bailiwick_operator.api.v1alpha1 import Tenant, serving
from bailiwick_operator.api.v1alpha1 import tenant as api
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.conditions import Reason

_UNPRICED = {
    api.UnpricedModels.DENY: UnpricedModels.UNPRICED_MODELS_DENY,
    api.UnpricedModels.ALLOW: UnpricedModels.UNPRICED_MODELS_ALLOW,
}
_QUOTA_STORE = {
    serving.QuotaStoreOutage.DENY: OnOutage.QUOTA_STORE_DENY,
    serving.QuotaStoreOutage.ALLOW: OnOutage.QUOTA_STORE_ALLOW,
    serving.QuotaStoreOutage.LOCAL_SHARE: OnOutage.QUOTA_STORE_LOCAL_SHARE,
}
_LEDGER = {
    serving.LedgerOutage.DENY: OnOutage.LEDGER_DENY,
    serving.LedgerOutage.ALLOW: OnOutage.LEDGER_ALLOW,
}
_CONTENT = {serving.LoggedContent.NONE: Logging.CONTENT_NONE}


def apply_policy(tenant: Tenant, config: TenantConfig, out: Report) -> None:
    """Set the fields that need nothing but the Tenant itself."""
    spec = tenant.spec
    outage = spec.on_outage or serving.OnOutage()
    logging = spec.logging or serving.Logging()
    if not is_time_zone(spec.time_zone):
        out.refuse(
            "spec.timeZone",
            Reason.INVALID,
            "timeZone must be an IANA zone such as Europe/Berlin",
            cure="take the name from the IANA time zone database, or leave it out for UTC",
        )
    config.currency = spec.currency
    config.time_zone = spec.time_zone
    config.caller_tags.extend(sorted(set(spec.caller_tags)))
    config.unpriced_models = _UNPRICED[spec.unpriced_models]
    config.on_outage.quota_store = _QUOTA_STORE[outage.quota_store]
    config.on_outage.ledger = _LEDGER[outage.ledger]
    config.logging.content = _CONTENT[logging.content]
    config.logging.retention_days = logging.retention_days or 0
