"""What a scrape says after calls were served and refused."""

from agent.figures import NOW, exercised, row
from prometheus_client.parser import text_string_to_metric_families

from bailiwick_sidecar.accounting.model import RowState, Usage
from bailiwick_sidecar.metrics import AgentMetrics


def samples(metrics: AgentMetrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_figures_follow_what_happened() -> None:
    """Requests, refusals, tokens, cost, limits and timings, each once."""
    said = samples(exercised())

    assert [value for _, value in said["bailiwick_requests_total"]] == [1, 1]
    assert said["bailiwick_limit_refusals_total"] == [
        ({"limit": "Quota/q#rpm", "team": "search", "route": "fast"}, 1)
    ]
    assert said["bailiwick_reserved_tokens_total"][0][1] == 150
    assert said["bailiwick_overshoot_tokens_total"][0][1] == 7
    assert said["bailiwick_cost_total"][0][1] == 0.25
    assert {labels["kind"]: value for labels, value in said["bailiwick_tokens_total"]} == {
        "input": 80, "output": 20, "cached_input": 5,
    }  # fmt: skip
    assert said["bailiwick_limit_use_ratio"] == [
        ({"limit": "Quota/q#budgetMonth", "mode": "enforce"}, 1),
        ({"limit": "Quota/q#rpm", "mode": "enforce"}, 0.25),
    ]
    assert said["bailiwick_limit_threshold_crossed"] == [
        ({"limit": "Quota/q#budgetMonth", "mode": "enforce", "percent": "80"}, 1),
        ({"limit": "Quota/q#budgetMonth", "mode": "enforce", "percent": "101"}, 0),
    ]
    assert said["bailiwick_budget_exhaustion_timestamp_seconds"] == [
        ({"limit": "Quota/q#budgetMonth", "mode": "enforce"}, NOW / 1000)
    ]
    assert [value for _, value in said["gen_ai_client_token_usage_sum"]] == [80, 20]
    assert said["gen_ai_server_request_duration_seconds_sum"][0][1] == 1.5
    assert said["gen_ai_server_time_to_first_token_seconds_sum"][0][1] == 0.3
    assert said["bailiwick_attempts_in_flight"] == [({}, 2)]


def test_no_label_holds_what_a_caller_chose() -> None:
    """User, project, tags, alias and stream id are in the ledger, never in a label."""
    text = exercised().text().decode()

    for word in ("alice", "ranking", "customer", "c-1", "stream-7", "default", "4711"):
        assert word not in text


def test_what_never_left_or_failed_has_no_tokens_and_no_first_byte() -> None:
    """A void attempt is counted, not timed; an error's duration names its status."""
    metrics = AgentMetrics(lambda _: "openai")
    nothing = {"usage": Usage(), "cost": 0}
    metrics.ended(row(RowState.VOID, status=0, **nothing), overshoot=0, currency="USD")
    metrics.ended(row(status=500, **nothing), overshoot=0, currency="USD")
    metrics.ended(row(RowState.ESTIMATED, status=0), overshoot=0, currency="USD")
    said = samples(metrics)

    assert sorted(labels["state"] for labels, _ in said["bailiwick_attempts_total"]) == [
        "estimated", "settled", "void",
    ]  # fmt: skip
    durations = said["gen_ai_server_request_duration_seconds_count"]
    assert sorted(labels["error_type"] for labels, _ in durations) == ["500", "other"]
    assert "gen_ai_client_token_usage_count" not in said
    assert "gen_ai_server_time_to_first_token_seconds_count" not in said
