"""What a tenant's gateways used, as the collector says it."""

from collections.abc import Iterator
from typing import Final

import grpc

from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.money import MoneyError, pico
from bailiwick_contract.services import PERIOD_TOTALS_PATH
from bailiwick_contract.v1.usage_pb2 import PeriodTotalsPage, PeriodTotalsRequest
from bailiwick_sidecar.ledger.address import CollectorAddress
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.remote import OPTIONS, words_of
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.totals import CALLER
from bailiwick_sidecar.quota.model import Caller
from bailiwick_sidecar.quota.rebuilding import Used

ANSWER_S: Final = 30.0
"""How long the collector may take; its database may take 20 of it."""


class CollectorTotals:
    """Over all of the tenant's gateways, past and present, as the collector's database has it."""

    def __init__(self, collector: CollectorAddress, owner: Owner) -> None:
        self._collector = collector
        self._owner = owner

    def since(self, moment: int) -> Iterator[Used]:
        """See Totals."""
        owner, where = self._owner, self._collector
        asked = PeriodTotalsRequest(
            contract_version=CONTRACT_VERSION,
            tenant=owner.tenant,
            namespace=owner.namespace,
            since=moment,
        )
        try:
            token = where.token.read_text(encoding="ascii").strip()
            credentials = grpc.ssl_channel_credentials(where.ca.read_bytes())
            with grpc.secure_channel(where.address, credentials, options=OPTIONS) as channel:
                ask = channel.unary_stream(
                    PERIOD_TOTALS_PATH,
                    request_serializer=PeriodTotalsRequest.SerializeToString,
                    response_deserializer=PeriodTotalsPage.FromString,
                )
                metadata = (("authorization", f"Bearer {token}"),)
                for page in ask(asked, timeout=ANSWER_S, metadata=metadata):
                    for one in page.totals:
                        yield Used(
                            gateway=one.gateway,
                            namespace=one.namespace,
                            caller=Caller(*(getattr(one, name) for name in CALLER)),
                            currency=one.currency,
                            tokens=one.input_tokens + one.output_tokens,
                            cost=pico(one.cost or "0"),
                        )
        except grpc.RpcError as error:
            raise LedgerUnavailableError(
                f"the collector at {where.address} gives no sums ({words_of(error)}): see that it"
                " runs, and that its database does"
            ) from None  # the call's exception holds its metadata, and so the token
        except (OSError, UnicodeDecodeError, MoneyError) as error:
            raise LedgerUnavailableError(
                f"the collector can't be asked for sums ({error}): are its CA and this pod's token"
                " mounted, and is it of this release?"
            ) from error
