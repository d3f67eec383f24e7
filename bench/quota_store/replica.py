"""A gateway's end of a shared store, as the benchmark and its child processes make it."""

from bailiwick_contract.v1.tenant_config_pb2 import OnOutage
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.lessee import Lessee
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.shared import Among, counter_maker
from bailiwick_sidecar.shared.address import StoreAddress
from bailiwick_sidecar.shared.clock import StoreClock
from bailiwick_sidecar.shared.connection import StoreConnection
from bailiwick_sidecar.shared.link import Place, RedisLink
from bailiwick_sidecar.shared.store import SharedStore

ZONE = "Europe/Berlin"
PREFIX = "{bench:acme}"


def gateway(port: int, replica: str, limits: CompiledLimits) -> tuple[SharedStore, StoreClock]:
    """The store's face to admission, and its time."""
    moment = Moment(ZONE)
    among = Among(moment)
    engine = Engine(limits, ZONE, make=counter_maker(among), moment=moment)
    clock = StoreClock()
    store = SharedStore(
        Lessee(engine, among),
        RedisLink(
            StoreConnection(StoreAddress("127.0.0.1", port), lambda: None),
            Place(PREFIX, "acme-prod", replica),
        ),
        clock=clock,
        policy=lambda: OnOutage.QUOTA_STORE_DENY,
    )
    return store, clock
