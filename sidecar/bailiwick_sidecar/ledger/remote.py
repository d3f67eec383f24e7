"""Rows to the collector, by gRPC: a sink that keeps nothing and knows no database."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import grpc

from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.money import decimal_string
from bailiwick_contract.services import REPORT_PATH
from bailiwick_contract.v1.usage_pb2 import BatchAck, UsageBatch, UsageRow
from bailiwick_sidecar.accounting.model import Row
from bailiwick_sidecar.ledger.address import CollectorAddress
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.rows import Owner

ANSWER_S: Final = 30.0
"""How long a batch waits for its answer; the database may take 20 of it."""
LARGEST: Final = 4 << 20
"""Bytes of one message: the collector takes four times that."""
OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),  # the writer decides when a batch is sent again
)


class CollectorSink:
    """Hands batches to the collector; used by one thread."""

    def __init__(
        self,
        collector: CollectorAddress,
        owner: Owner,
        *,
        options: Sequence[tuple[str, Any]] = OPTIONS,
    ) -> None:
        """A sink that connects with the first batch, and again after a failure."""
        self._collector = collector
        self._owner = owner
        self._options = tuple(options)
        self._channel: grpc.Channel | None = None
        self._report: Callable[..., BatchAck] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Return when the rows are on the database's disk.

        Raises:
            LedgerUnavailableError: none of them is sure to be; write them again.
        """
        try:
            for batch in self._batches(rows):
                report = self._report or self._connect()
                token = self._collector.token.read_text(encoding="ascii").strip()
                report(batch, timeout=ANSWER_S, metadata=(("authorization", f"Bearer {token}"),))
        except grpc.RpcError as error:
            self.close()
            raise LedgerUnavailableError(
                f"the collector at {self._collector.address} keeps no rows"
                f" ({words_of(error)}): they stay in the journal and follow when it does"
            ) from None  # the call's exception holds its metadata, and so the token
        except (OSError, UnicodeDecodeError) as error:
            self.close()
            raise LedgerUnavailableError(
                f"the collector's CA or this pod's token for it can't be read ({error}): are they"
                " mounted? Rows stay in the journal"
            ) from error

    def close(self) -> None:
        """Let go of the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = self._report = None

    def _connect(self) -> Callable[..., BatchAck]:
        credentials = grpc.ssl_channel_credentials(self._collector.ca.read_bytes())
        self._channel = grpc.secure_channel(
            self._collector.address, credentials, options=self._options
        )
        self._report = self._channel.unary_unary(
            REPORT_PATH,
            request_serializer=UsageBatch.SerializeToString,
            response_deserializer=BatchAck.FromString,
        )
        return self._report

    def _batches(self, rows: Sequence[Row]) -> Iterator[UsageBatch]:
        """The rows in messages that are not too large; a row is never cut."""
        batch = self._empty()
        size = 0
        for row in rows:
            said = usage_row(row)
            size += said.ByteSize()
            if size > LARGEST and batch.rows:
                yield batch
                batch, size = self._empty(), said.ByteSize()
            batch.rows.append(said)
        if batch.rows:
            yield batch

    def _empty(self) -> UsageBatch:
        owner = self._owner
        return UsageBatch(
            contract_version=CONTRACT_VERSION,
            tenant=owner.tenant,
            namespace=owner.namespace,
            currency=owner.currency,
            gateway=owner.gateway,
        )


def usage_row(row: Row) -> UsageRow:
    """The row as the contract says it."""
    intent, usage, caller = row.intent, row.usage, row.intent.caller
    return UsageRow(
        stream_id=intent.key[0],
        attempt=intent.key[1],
        admitted_at=intent.admitted_at,
        ended_at=row.ended_at,
        team=caller.team,
        project=caller.project,
        cost_center=intent.cost_center,
        user=caller.user,
        route=caller.route,
        alias=intent.alias,
        backend=intent.backend,
        provider=intent.provider,
        model=intent.model,
        tier=caller.tier,
        operation=intent.operation,
        stream=intent.stream,
        protocol=intent.protocol,
        state=row.state.value,
        status=row.status,
        reason=row.reason,
        input_tokens=usage.input,
        output_tokens=usage.output,
        cached_input_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write,
        audio_input_tokens=usage.audio_input,
        reasoning_output_tokens=usage.reasoning_output,
        audio_output_tokens=usage.audio_output,
        cost=decimal_string(row.cost),
        price_source=row.price_source,
        reserved_input_tokens=intent.input_bound,
        reserved_output_tokens=intent.output_bound,
        reserved_cost=decimal_string(intent.cost_bound),
        duration_ms=row.duration_ms,
        first_byte_ms=row.first_byte_ms,
        tags=dict(intent.tags),
        provider_key=intent.provider_key,
        provider_key_id=intent.provider_key_id,
    )


def words_of(error: grpc.RpcError) -> str:
    """What went wrong with a call, without what it carried."""
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return type(error).__name__
