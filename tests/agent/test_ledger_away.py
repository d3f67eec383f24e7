"""A ledger that takes nothing is said by the agent, from its beginning to its end."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.gateway_process import Gateway, Provider, Signer, wait_for
from agent.test_agent_with_envoy import KEYS, config, rows, started


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, secrets=KEYS)
    yield made
    made.stop()


def test_a_ledger_that_is_locked_degrades_and_recovers(gateway: Gateway) -> None:
    """Calls go on; the status says what and since when, until the rows are written."""
    provider, signer = Provider(), Signer()
    try:
        started(gateway, config(signer, provider, provider))
        token = signer.token()
        assert gateway.chat(token)[0] == 200
        wait_for("the first row", lambda: len(rows(gateway)) == 1)
        assert not gateway.status().get("degraded")

        other = sqlite3.connect(gateway.state / "ledger.db", isolation_level=None)
        other.execute("begin exclusive")
        assert gateway.chat(token)[0] == 200
        (said,) = wait_for("the word", lambda: gateway.status().get("degraded"), 60)
        other.execute("rollback")
        other.close()

        assert (said["dependency"], said["reason"]) == ("ledger", "Failing")
        assert said["since"]
        assert "ledger.db" in said["message"]
        wait_for("its end", lambda: not gateway.status().get("degraded"), 60)
        assert len(rows(gateway)) == 2
    finally:
        provider.close()
