"""Each query of dashboard and rules, put to a real Prometheus that scraped a real gateway."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charted import RULES, panels, rules
from documents import backend, provider, quota, route, tenant
from prometheus_binaries import find_or_build
from running import CountingProvider, Up, free_ports, running, wait_for

NOTHING_HERE = {
    # Not without a Vault.
    "Age of providers' keys",
}
QUIET = {"BailiwickTokenSpike", "BailiwickCostAnomaly", "BailiwickMonthNearlyUsed"}
"""Alerts that have to say nothing after a minute of ordinary calls."""


class Prometheus:
    """A server that scrapes one gateway, each second, as the chart's PodMonitor would."""

    def __init__(self, folder: Path, target: str) -> None:
        self.port = free_ports(1)
        often = folder / "rules.yaml"
        often.write_text(RULES.read_text().replace("interval: 1m", "interval: 1s"))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(often)],
            "scrape_configs": [
                {
                    "job_name": "gateways",
                    "static_configs": [{"targets": [target], "labels": {"namespace": "acme-prod"}}],
                }
            ],
        }
        file = folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(config))
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    find_or_build("prometheus"), f"--config.file={file}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    def query(self, text: str) -> list[dict[str, Any]]:
        """The instant vector; raises where Prometheus finds the query wrong."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?"
        with urllib.request.urlopen(
            address + urllib.parse.urlencode({"query": text}), timeout=10
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def call(up: Up, token: str, told: dict[str, Any], *, stream: bool = False) -> int:
    """Status of a call that tells the provider how to answer."""
    body = {
        "model": "fast",
        "stream": stream,
        "max_tokens": 16,
        "messages": [{"role": "user", "content": json.dumps(told)}],
    }
    request = urllib.request.Request(
        f"{up.url()}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Up, Any]]:
    """A minute in the life of a gateway: answers, streams, an error, refusals."""
    folder = tmp_path_factory.mktemp("monitoring")
    source = CountingProvider("a", folder)
    up = Up(folder)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a")),
        quota("busy", {"user": "busy"}, {"requestsPerMinute": 2}),
    ]
    try:
        with running(up, documents):
            prometheus = Prometheus(folder, f"127.0.0.1:{up.metrics}")
            try:
                token, busy = up.token(user="ann"), up.token(user="busy")
                statuses = [
                    call(up, token, {"tokens": 7}),
                    # Long enough for a first byte after a millisecond or more: 0 is none.
                    call(up, token, {"tokens": 5, "delay": 0.05}, stream=True),
                    call(up, token, {"status": 500}),
                    call(up, token, {"status": 429}),
                    *(call(up, busy, {"tokens": 1}) for _ in range(4)),
                ]
                assert statuses == [200, 200, 500, 429, 200, 200, 429, 429]
                seen = "count_over_time(bailiwick_limit_refusals_total[1m]) > 2"
                wait_for("a look at every counter", lambda: prometheus.query(seen), 60)
                # A rate is of what came after the first look.
                assert [call(up, token, {"status": 429}), call(up, busy, {})] == [429, 429]
                yield prometheus, up, source
            finally:
                prometheus.stop()
    finally:
        source.stop()


@pytest.mark.parametrize(("title", "query"), list(panels()), ids=lambda text: text[:60])
def test_every_panel_shows_something(
    scraped: tuple[Prometheus, Up, Any], title: str, query: str
) -> None:
    """No panel asks for a metric or a label that is not there."""
    prometheus, *_ = scraped
    if title in NOTHING_HERE:
        assert prometheus.query(query) == []
        return
    wait_for(title, lambda: prometheus.query(query), 30)


@pytest.mark.parametrize(("name", "query"), list(rules()), ids=lambda text: text[:60])
def test_every_rule_finds_its_metrics(
    scraped: tuple[Prometheus, Up, Any], name: str, query: str
) -> None:
    """Each can be asked; recorded ones and alerts on refusals have something to say."""
    prometheus, *_ = scraped
    if name in QUIET:
        assert prometheus.query(query) == []
        return
    wait_for(name, lambda: prometheus.query(query.replace("> 0.1", "> 0")), 30)


def test_tokens_are_the_providers(scraped: tuple[Prometheus, Up, Any]) -> None:
    """What Prometheus adds up is what the provider counted."""
    prometheus, _, source = scraped
    answered = [one for one in source.attempts() if one["status"] == 200]
    counted = sum(one["prompt_tokens"] + one["completion_tokens"] for one in answered)
    query = 'sum(bailiwick_tokens_total{state="settled",kind=~"input|output"})'

    def agree() -> bool:
        (found,) = prometheus.query(query)
        return float(found["value"][1]) == counted

    assert counted > 0
    wait_for(f"{counted} tokens", lambda: agree() or None)
