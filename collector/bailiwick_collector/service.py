"""The collector's service: who calls, whether it is theirs, and then the database."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final, NoReturn, TypeVar

import grpc

from bailiwick_collector.errors import BadRowError, DatabaseAwayError, NotTheirsError
from bailiwick_collector.identity import Owner, Owners, must_be
from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.metrics import CollectorMetrics
from bailiwick_collector.rows import values
from bailiwick_contract.compat import CONTRACT_VERSION, accepts
from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.services import PERIOD_TOTALS_METHOD, REPORT_METHOD, USAGE_SERVICE
from bailiwick_contract.v1.usage_pb2 import (
    BatchAck,
    PeriodTotal,
    PeriodTotalsPage,
    PeriodTotalsRequest,
    UsageBatch,
)
from bailiwick_operator.kube.model import KubeError
from bailiwick_operator.publish.identity import NotAGatewayError, UnauthenticatedError

log = logging.getLogger(__name__)

PAGE: Final = 500
"""Sums in one message."""

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]


class UsageService:
    """Serves agents. Nothing of a message decides whose rows it brings or asks for."""

    def __init__(
        self,
        *,
        owners: Owners,
        ledger: PostgresLedger,
        threads: Executor,
        metrics: CollectorMetrics,
    ) -> None:
        self._owners = owners
        self._ledger = ledger
        self._threads = threads
        self._metrics = metrics

    def handlers(self) -> grpc.GenericRpcHandler:
        """What a server adds to serve this."""
        return grpc.method_handlers_generic_handler(
            USAGE_SERVICE,
            {
                REPORT_METHOD: grpc.unary_unary_rpc_method_handler(
                    self.report,
                    request_deserializer=UsageBatch.FromString,
                    response_serializer=BatchAck.SerializeToString,
                ),
                PERIOD_TOTALS_METHOD: grpc.unary_stream_rpc_method_handler(
                    self.period_totals,
                    request_deserializer=PeriodTotalsRequest.FromString,
                    response_serializer=PeriodTotalsPage.SerializeToString,
                ),
            },
        )

    async def report(self, batch: UsageBatch, context: Context) -> BatchAck:
        """Keep a batch, and say so only when it is on the database's disk."""
        return await self._answered(context, lambda: self._keep(batch, context))

    async def period_totals(
        self, asked: PeriodTotalsRequest, context: Context
    ) -> AsyncIterator[PeriodTotalsPage]:
        """Sums of the caller's tenant, page by page."""
        totals = await self._answered(context, lambda: self._sum(asked, context))
        for start in range(0, len(totals), PAGE):
            yield PeriodTotalsPage(totals=totals[start : start + PAGE])

    async def _keep(self, batch: UsageBatch, context: Context) -> BatchAck:
        owner = await self._owner(batch, context)
        rows = [values(row, batch) for row in batch.rows]
        began = time.monotonic()
        added = await self._in_thread(lambda: self._ledger.add(owner.tenant, rows))
        self._metrics.kept(rows=len(rows), added=added, seconds=time.monotonic() - began)
        return BatchAck(added=added)

    async def _sum(self, asked: PeriodTotalsRequest, context: Context) -> list[PeriodTotal]:
        owner = await self._owner(asked, context)
        return await self._in_thread(
            lambda: list(self._ledger.totals(owner.tenant, since=asked.since, until=asked.until))
        )

    async def _owner(self, said: UsageBatch | PeriodTotalsRequest, context: Context) -> Owner:
        metadata = dict(context.invocation_metadata() or ())
        authorization = metadata.get("authorization", "")
        owner = await self._owners.owner(authorization if isinstance(authorization, str) else "")
        must_be(owner, tenant=said.tenant, namespace=said.namespace)
        if not accepts(said.contract_version):
            raise BadRowError(
                f"the message has contract version {said.contract_version}, this collector speaks"
                f" {CONTRACT_VERSION}: bring both to the same release"
            )
        return owner

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _answered(self, context: Context, work: Callable[[], Awaitable[T]]) -> T:
        """The work's result; an error becomes the call's status."""
        try:
            return await work()
        except UnauthenticatedError as error:
            await self._refuse(context, grpc.StatusCode.UNAUTHENTICATED, error)
        except (NotAGatewayError, NotTheirsError) as error:
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
        except BadRowError as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        except KubeError as error:
            log.warning("event=review_failed error=%r", str(error))
            await self._refuse(
                context,
                grpc.StatusCode.UNAVAILABLE,
                BailiwickError("the API server can't review the token now: come again"),
            )
        except DatabaseAwayError as error:
            self._metrics.database_away()
            log.warning("event=database_away error=%r", str(error))
            # What the database says is for the collector's log, not for a tenant's pod.
            await self._refuse(
                context,
                grpc.StatusCode.UNAVAILABLE,
                BailiwickError("the ledger's database takes nothing now: come again"),
            )

    async def _refuse(
        self, context: Context, code: grpc.StatusCode, error: BailiwickError
    ) -> NoReturn:
        self._metrics.refusals.labels(code.name).inc()
        if code is not grpc.StatusCode.UNAVAILABLE:
            log.warning("event=call_refused peer=%s error=%r", context.peer(), str(error))
        await context.abort(code, str(error))
        raise AssertionError  # pragma: no cover - abort raises
