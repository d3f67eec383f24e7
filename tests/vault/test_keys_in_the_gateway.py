"""The whole gateway with a real Vault: rotation, refusals by a provider, and Vault's troubles."""

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import Signer, wait_for
from vault.front import Front
from vault.measured import measured
from vault.vault_gateway import KeyedProvider, VaultGateway, backend, gateway_config
from vault.vault_server import Cluster, VaultServer

OPENAI = "llm/acme/openai"


@pytest.fixture
def provider() -> Iterator[KeyedProvider]:
    made = KeyedProvider("sk-first")
    yield made
    made.close()


@pytest.fixture
def signer() -> Signer:
    return Signer()


class World:
    """A gateway with one route and its key in Vault."""

    def __init__(
        self, folder: Path, server: VaultServer, token_file: Path, provider: KeyedProvider
    ) -> None:
        self.server, self.provider, self.signer = server, provider, Signer()
        self.gateway = VaultGateway(
            folder / "gateway",
            address=server.address,
            **{"token-file": token_file, "poll": "0.5", "max-stale": "4"},
            token_file=token_file,
        )
        self.config = gateway_config(self.signer, {"openai": provider})

    def chat(self, **body: object) -> tuple[int, str]:
        """Status and error code of a call."""
        status, text, _ = self.gateway.chat(self.signer.token(), model="openai", **body)
        return status, json.loads(text)["error"]["code"] if status != 200 else ""

    def degraded(self) -> dict[str, dict[str, Any]]:
        return {one["reason"]: one for one in self.gateway.status().get("degraded", ())}

    def notice(self) -> None:
        assert self.gateway.agent is not None
        self.gateway.agent.send_signal(signal.SIGHUP)

    def version(self) -> float | None:
        return self.gateway.metric("bailiwick_key_version")


@pytest.fixture
def world(
    tmp_path: Path, trusting: VaultServer, token_file: Path, provider: KeyedProvider
) -> Iterator[World]:
    made = World(tmp_path, trusting, token_file, provider)
    yield made
    made.gateway.stop()


def test_a_new_version_is_used_within_the_poll_interval(world: World) -> None:
    """Nobody gives notice; no call fails, and the last call with the old key is soon over."""
    world.gateway.serve(world.config)
    assert world.chat() == (200, "")
    world.provider.valid.add("sk-second")
    world.server.put_key(OPENAI, "sk-second")
    start = time.monotonic()

    wait_for(
        "the new key",
        lambda: world.chat() == (200, "") and world.provider.keys()[-1:] == ["sk-second"],
        5,
    )
    measured("new version in use without notice (poll 0.5 s)", start)
    assert world.version() == 2
    assert world.provider.refusals == 0


@pytest.mark.parametrize("how", ["signal", "config"])
def test_a_notice_has_it_used_at_once(world: World, how: str) -> None:
    """SIGHUP to the agent, or another `notice` in the config; the poll is a minute away."""
    world.gateway.options |= {"poll": "60", "max-stale": "600"}
    world.gateway.serve(world.config)
    world.provider.valid.add("sk-second")
    world.server.put_key(OPENAI, "sk-second")
    start = time.monotonic()
    if how == "signal":
        world.notice()
    else:
        world.gateway.write({**world.config, "vault": {**world.config["vault"], "notice": "now"}})
    wait_for("the new key", lambda: world.version() == 2, 5)
    measured(f"new version in use after a notice by {how}", start)

    assert world.chat() == (200, "")
    assert world.provider.keys() == ["sk-second"]


def test_a_key_that_the_provider_withdrew_is_replaced_within_the_call(world: World) -> None:
    """The refused attempt and the second one are both in the books; the caller sees one answer."""
    world.gateway.options |= {"poll": "60", "max-stale": "600"}
    world.gateway.serve(world.config)
    assert world.chat() == (200, "")
    for number, stream in enumerate((False, True), start=2):
        fresh = f"sk-{number}"
        world.server.put_key(OPENAI, fresh)
        world.provider.valid = {fresh}
        assert world.gateway.chat(world.signer.token(), model="openai", stream=stream)[0] == 200

    assert world.provider.keys() == ["sk-first", "sk-first", "sk-2", "sk-2", "sk-3"]
    intents = world.gateway.metric("bailiwick_requests_total", decision="admitted")
    assert intents == 5


def test_rows_name_the_key_that_was_really_used(world: World) -> None:
    """Of a call under way while its key is replaced the old one; no key is in books or logs."""
    world.gateway.options |= {"poll": "60", "max-stale": "600"}
    world.server.put_key(OPENAI, "sk-two", key_id="key_two")
    world.provider.valid = {"sk-two", "sk-three"}
    world.gateway.serve(world.config)
    world.provider.hold.clear()
    under_way = threading.Thread(target=world.chat)
    under_way.start()
    wait_for("a call under way", lambda: len(world.provider.seen) == 1)
    world.server.put_key(OPENAI, "sk-three", key_id="key_three")
    world.notice()
    wait_for("the new key", lambda: world.version() == 3)
    world.provider.hold.set()
    under_way.join()
    assert world.chat() == (200, "")
    world.provider.valid = {"sk-four"}
    world.server.put_key(OPENAI, "sk-four")
    assert world.chat() == (200, "")

    wait_for("their rows", lambda: len(keys_of_rows(world)) == 4)
    place = "secret/llm/acme/openai#api_key"
    assert keys_of_rows(world) == [
        (1, 200, f"{place}@2", "key_two"),
        (1, 200, f"{place}@3", "key_three"),
        (1, 401, f"{place}@3", "key_three"),
        (2, 200, f"{place}@4", ""),
    ]
    written = [path for path in world.gateway.state.rglob("*") if path.is_file()]
    for path in (*written, world.gateway.output):
        assert b"sk-" not in path.read_bytes(), path


def keys_of_rows(world: World) -> list[tuple[int, int, str, str]]:
    """Attempt, status and key of each row, in order of admission."""
    file = world.gateway.state / "ledger.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchall():
            return []  # the file comes before its tables
        return connection.execute(
            "SELECT attempt, status, provider_key, provider_key_id FROM attempts"
            " ORDER BY admitted_at, attempt"
        ).fetchall()


def test_calls_that_meet_a_withdrawn_key_together_ask_vault_once(
    world: World, trusting: VaultServer
) -> None:
    """Forty calls at once, none fails, and Vault is not stormed."""
    world.gateway.options |= {"poll": "60", "max-stale": "600"}
    world.gateway.serve(world.config)
    assert world.chat() == (200, "")
    asked = len(trusting.asked("read", "secret/"))
    world.server.put_key(OPENAI, "sk-second")
    world.provider.valid = {"sk-second"}
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(world.chat())) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [(200, "")] * 40
    assert len(trusting.asked("read", "secret/")) - asked <= 2


def test_a_new_key_that_the_provider_does_not_know_yet_costs_no_call(world: World) -> None:
    """The key before serves meanwhile, and the new one takes over when it is accepted."""
    world.gateway.serve(world.config)
    assert world.chat() == (200, "")
    world.server.put_key(OPENAI, "sk-early")
    wait_for("the new version", lambda: world.version() == 2)
    for _ in range(5):
        assert world.chat() == (200, "")
    assert world.provider.keys().count("sk-early") == 1

    world.provider.valid = {"sk-early"}
    assert world.chat() == (200, "")
    assert world.chat() == (200, "")
    assert world.provider.keys()[-1] == "sk-early"


def test_a_key_that_stays_refused_is_said_so_and_vault_is_left_alone(
    world: World, trusting: VaultServer
) -> None:
    """503 with its own code and when to come back; no attempt is repeated with the same key."""
    world.gateway.options |= {"poll": "60", "max-stale": "600"}
    world.gateway.serve(world.config)
    world.provider.valid = set()
    asked = len(trusting.asked("read", "secret/"))
    answers = {world.chat() for _ in range(30)}

    assert answers == {(503, "credential_rejected")}
    assert len(world.provider.keys()) == 30
    assert len(trusting.asked("read", "secret/")) - asked <= 4


def test_with_a_fallback_the_call_goes_on_to_the_next_place(
    world: World, trusting: VaultServer
) -> None:
    """There the next provider's own key is used; the refused one is looked at for later calls."""
    second = KeyedProvider("sk-b")
    try:
        trusting.policy("secret/data/llm/acme/*")
        trusting.put_key("llm/acme/second", "sk-b")
        config = gateway_config(world.signer, {"openai": world.provider, "second": second})
        route = {
            "name": "openai", "aliases": ["openai"],
            "backends": [backend("openai"), backend("second", priority=1)],
            "fallback": {"when": ["WHEN_SERVER_ERROR"], "maxAttempts": 2},
        }  # fmt: skip
        world.gateway.options |= {"poll": "60", "max-stale": "600"}
        world.gateway.serve({**config, "routes": [route]})
        trusting.put_key(OPENAI, "sk-second")
        world.provider.valid = {"sk-second"}
        first = world.chat()
        wait_for(
            "the new key",
            lambda: (
                world.gateway.metric("bailiwick_key_version", key=f"secret/{OPENAI}#api_key") == 2
            ),
        )
        then = world.chat()
    finally:
        second.close()

    assert (first, then) == ((200, ""), (200, ""))
    assert second.keys() == ["sk-b"]
    assert world.provider.keys() == ["sk-first", "sk-second"]


@pytest.mark.parametrize("trouble", ["sealed", "slow", "unreachable"])
def test_while_vault_is_away_the_last_key_serves_until_it_is_stale(
    world: World, trouble: str
) -> None:
    """Said with reason and since; after max-stale the key is dropped and calls are refused."""
    # A read that gets no answer takes five seconds to fail.
    world.gateway.options |= {"max-stale": "10" if trouble == "slow" else "4"}
    world.gateway.serve(world.config)
    start = time.monotonic()
    if trouble == "sealed":
        world.server.seal()
    elif trouble == "slow":
        world.server.process.send_signal(signal.SIGSTOP)
    else:
        world.server.kill()
    reason = f"Vault{trouble.capitalize()}"
    wait_for("the reason", lambda: reason in world.degraded(), 15)
    measured(f"{trouble}: noticed", start)
    said = world.degraded()[reason]
    assert said["dependency"] == "Vault"
    assert said["since"].endswith("Z")
    assert world.chat() == (200, "")
    assert world.gateway.metric("bailiwick_key_usable", standing="kept") == 1
    assert world.gateway.get("/readyz")[0] == 200

    wait_for("refusals", lambda: world.chat() == (503, "credential_unavailable"), 15)
    status, text = world.gateway.get("/readyz")
    assert (status, b"longer than" in text) == (503, True), text
    assert said["since"] == world.degraded()[reason]["since"]


@pytest.mark.parametrize("trouble", ["sealed", "slow"])
def test_when_vault_is_back_all_is_well_again(world: World, trouble: str) -> None:
    """Without a restart; the retries were bounded."""
    world.gateway.serve(world.config)
    if trouble == "sealed":
        world.server.seal()
        wait_for("the reason", world.degraded, 15)
        world.server.unseal()
    else:
        with world.server.frozen():
            wait_for("the reason", world.degraded, 15)
    start = time.monotonic()
    world.server.put_key(OPENAI, "sk-first")
    wait_for("recovery", lambda: not world.degraded(), 15)
    measured(f"{trouble}: recovered", start)

    assert world.chat() == (200, "")


@pytest.mark.parametrize("trouble", ["500", "502", "429", "refused"])
def test_what_stands_before_vault_may_fail_too(world: World, trouble: str) -> None:
    """The last key serves meanwhile; the reason is said, and goes when Vault answers again."""
    front = Front(world.server.address)
    try:
        world.gateway.options["address"] = front.address
        world.gateway.serve(world.config)
        if trouble == "refused":
            front.close()
        else:
            front.status = int(trouble)
        start = time.monotonic()
        reason = "VaultUnreachable" if trouble == "refused" else "VaultFailing"
        wait_for("the reason", lambda: reason in world.degraded(), 15)
        measured(f"{trouble}: noticed", start)
        assert world.chat() == (200, "")

        if trouble == "refused":
            front.open()
        front.status = None
        start = time.monotonic()
        wait_for("recovery", lambda: not world.degraded(), 15)
        measured(f"{trouble}: recovered", start)
        assert world.chat() == (200, "")
    finally:
        front.close()


def test_a_denial_stops_the_key_and_its_return_is_noticed(world: World) -> None:
    """After one more login; callers get a code of its own, the status says since when."""
    world.gateway.serve(world.config)
    assert world.chat() == (200, "")
    world.server.policy()
    start = time.monotonic()
    wait_for("refusals", lambda: world.chat() == (503, "credential_revoked"), 10)
    measured("revoked: last use of the key after the policy's end", start)
    used = len(world.provider.seen)
    assert world.chat() == (503, "credential_revoked")
    assert len(world.provider.seen) == used
    said = wait_for("the reason", lambda: world.degraded().get("CredentialRevoked"))
    assert said["since"].endswith("Z")
    assert b"refuses it to role" in world.gateway.get("/readyz")[1]

    world.server.policy(f"secret/data/{OPENAI}")
    start = time.monotonic()
    wait_for("service", lambda: world.chat() == (200, ""), 10)
    measured("revoked: serves again", start)


@pytest.mark.parametrize("missing", ["path", "field"])
def test_a_missing_key_closes_the_routes_that_need_it_and_no_other(
    world: World, trusting: VaultServer, missing: str
) -> None:
    """The gateway is ready and its status names what is missing; writing it is enough."""
    second = KeyedProvider("sk-b")
    try:
        trusting.policy("secret/data/llm/acme/*")
        if missing == "field":
            trusting.put_key("llm/acme/second", "sk-b", field="other")
        world.config = gateway_config(world.signer, {"openai": world.provider, "second": second})
        world.gateway.serve(world.config)
        token = world.signer.token()
        refused, text, _ = world.gateway.chat(token, model="second")
        assert (refused, world.chat()) == (503, (200, ""))
        assert json.loads(text)["error"]["code"] == "credential_unavailable"
        assert any("secret/llm/acme/second" in one for one in world.gateway.status()["warnings"])

        trusting.put_key("llm/acme/second", "sk-b")
        start = time.monotonic()
        wait_for("the key", lambda: world.gateway.chat(token, model="second")[0] == 200, 10)
        measured(f"{missing} missing: serves after it was written", start)
    finally:
        second.close()


def test_without_vault_the_gateway_is_not_ready_and_says_why(world: World) -> None:
    """It serves as soon as Vault does, with nothing restarted."""
    world.server.seal()
    world.gateway.start(world.config)
    text = wait_for(
        "a reason", lambda: (t := world.gateway.get("/readyz")[1]) and b"sealed" in t and t
    )
    assert b"no backend has a key" in text
    world.server.unseal()
    start = time.monotonic()
    wait_for("readiness", world.gateway.ready)
    measured("cold start: ready after Vault was", start)

    assert world.chat() == (200, "")


def test_a_key_that_nears_its_longest_age_is_reported(world: World) -> None:
    """A condition before and one after; the key is used all the same."""
    world.gateway.options |= {"max-age": "3"}
    world.gateway.serve(world.config)
    wait_for("the end of its age", lambda: "KeyTooOld" in world.degraded(), 10)

    assert f"secret/{OPENAI}#api_key" in world.degraded()["KeyTooOld"]["message"]
    assert world.chat() == (200, "")
    world.server.put_key(OPENAI, "sk-first")
    world.server.put_key(OPENAI, "sk-first")
    wait_for("a younger key", lambda: "KeyTooOld" not in world.degraded(), 10)


def test_a_restarted_agent_has_its_keys_again(world: World, cluster: Cluster) -> None:
    """They were nowhere but in its memory, so it asks for them."""
    world.gateway.serve(world.config)
    assert world.gateway.agent is not None
    world.gateway.agent.kill()
    world.gateway.agent.wait()
    start = time.monotonic()
    world.gateway.start_agent()
    wait_for("service", lambda: world.chat() == (200, ""))
    measured("agent killed: serves again", start)
