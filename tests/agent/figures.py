"""An agent's metrics with every figure moved once."""

from pathlib import Path
from types import SimpleNamespace

from admission.acme import Admission
from prometheus_client.parser import text_string_to_metric_families
from shared_store.replicas import Replica

from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.admission.health import FAILURES
from bailiwick_sidecar.books import LateLedger
from bailiwick_sidecar.config.store import ConfigStore
from bailiwick_sidecar.measured import measure, passed_over
from bailiwick_sidecar.metrics import AgentMetrics
from bailiwick_sidecar.names import backend_code
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.messages import Answer, Reply, Standing
from bailiwick_sidecar.quota.model import Amounts, Caller, LimitKind, Reservation
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.secrets import KeyRef, Secret
from bailiwick_sidecar.shared.figures import figures
from bailiwick_sidecar.shared.store import SharedStore
from bailiwick_sidecar.vault.figures import families
from bailiwick_sidecar.vault.freshness import Key, after
from bailiwick_sidecar.vault.outcomes import Found

CALLER = Caller("search", "ranking", "alice", "fast", "shared")
NOW = 1_790_000_000_000


def intent(**changes: object) -> Intent:
    said = {
        "key": ("stream-7", 1), "admitted_at": NOW, "deadline": NOW, "caller": CALLER,
        "cost_center": "4711", "tags": (("customer", "c-1"),), "backend": "a",
        "provider": "P/a", "model": "gpt", "alias": "default", "operation": "chat",
        "stream": True, "input_bound": 100, "output_bound": 50, "cost_bound": 9,
        "price_source": "list", "rates": (0,) * 7, **changes,
    }  # fmt: skip
    return Intent(**said)  # type: ignore[arg-type]


def row(state: RowState = RowState.SETTLED, **changes: object) -> Row:
    said = {
        "intent": intent(), "state": state, "ended_at": NOW, "status": 200,
        "usage": Usage(input=80, output=20, cached_input=5), "cost": 25 * 10**10,
        "duration_ms": 1500, "first_byte_ms": 300, "reason": "usage", **changes,
    }  # fmt: skip
    return Row(**said)  # type: ignore[arg-type]


async def _nothing(_: Replica) -> dict[Part, int]:
    return {}


def sharing() -> SharedStore:
    """A gateway's end of a shared store, with a share of a limit."""
    limits = [CompiledLimit("Tenant/t#rpm", LimitKind.REQUESTS_PER_MINUTE, 4)]
    replica = Replica(6379, "r", limits, lost=_nothing)
    lessee = replica.store.lessee
    message, _ = lessee.prepare([Reservation(("s", 1), CALLER, Amounts(1, 1), NOW)], NOW)
    standing = Standing(used=0, extra=2, hungry=False, held=0, freed=0)
    answers = [Answer(granted=True)]
    lessee.apply(
        message,
        Reply(NOW, NOW, "e", 0, 2, waiting=False, heard=0, standings=[standing], answers=answers),
        NOW,
    )
    return replica.store


def troubled() -> Gate:
    """An admission that knows a backend of a failing provider."""
    gate = Admission().gate
    code = backend_code("fast", "a")
    for _ in range(FAILURES):
        gate.health.ended(code, status=500, flags=frozenset(), retry_after="", now=NOW)
    return gate


def exercised() -> AgentMetrics:
    """Metrics of an agent that admitted, refused, and ended an attempt."""
    metrics = AgentMetrics(lambda _: "openai")
    limits = CompiledLimits(
        [
            CompiledLimit("Quota/q#rpm", LimitKind.REQUESTS_PER_MINUTE, 4),
            CompiledLimit("Quota/q#budgetMonth", LimitKind.BUDGET_MONTH, 1, thresholds=(80, 101)),
        ]
    )
    engine = Engine(limits, "UTC")
    engine.reserve(Reservation(("s", 1), CALLER, Amounts(1, 1), NOW), NOW)
    book = SimpleNamespace(in_flight=2, strays=1)
    accounting = SimpleNamespace(
        book=book, journal=SimpleNamespace(size=lambda: 4096, unshipped=lambda: 512)
    )
    measure(
        metrics,
        engine,
        accounting,  # type: ignore[arg-type]  # only what a scrape asks for
        LateLedger(),
        ConfigStore(Path("none")),
        clock=lambda: NOW,
    )
    key = after(Key(), Found(Secret("sk-1"), 3, 1.0), now=5.0)
    ref = KeyRef("secret", "llm/acme/a", "api_key")
    metrics.watch_figures(lambda: families({ref: key}, {"found": 1}, now=9.0, wall=9.0))
    metrics.watch_figures(lambda: figures(sharing(), NOW))
    metrics.watch_figures(lambda: passed_over(troubled(), NOW))
    metrics.admitted(intent())
    metrics.refused("rate_limit_exceeded", team="search", route="fast", limit="Quota/q#rpm")
    metrics.ended(row(), overshoot=7, currency="USD")
    return metrics


def exposed(metrics: AgentMetrics) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric as a scrape gives it."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.endswith("_created"):
            continue
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = (family.type, frozenset(labels - {"le"}))
    return found
