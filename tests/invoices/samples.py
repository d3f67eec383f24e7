"""Small exports of each provider, shaped as its documentation describes them."""

import json
from pathlib import Path
from typing import Any

DAY = 1_763_683_200
"""2025-11-21T00:00:00Z in seconds."""


def _file(name: str) -> str:
    return (Path(__file__).parent / "files" / name).read_text(encoding="utf-8")


def page(*results: dict[str, Any], start: Any = DAY, **more: Any) -> str:
    """One page of OpenAI's administration API, with one bucket."""
    bucket = {"object": "bucket", "start_time": start, "end_time": DAY + 86_400}
    said = {"object": "page", "data": [{**bucket, "results": list(results)}], "has_more": False}
    return json.dumps({**said, **more})


def used(model: str | None = "gpt-5-mini-2025-08-07", **changes: Any) -> dict[str, Any]:
    """One result of OpenAI's usage of completions."""
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": 800,
        "input_cached_tokens": 100,
        "output_tokens": 200,
        "num_model_requests": 1,
        "project_id": None,
        "api_key_id": "key_1",
        "model": model,
        "batch": False,
        **changes,
    }


def charged(
    value: Any, line_item: str | None = "gpt-5-mini-2025-08-07, input", **changes: Any
) -> dict[str, Any]:
    """One result of OpenAI's costs."""
    return {
        "object": "organization.costs.result",
        "amount": {"value": value, "currency": "usd"},
        "line_item": line_item,
        "project_id": "proj_1",
        **changes,
    }


OPENAI_USAGE_CSV = _file("openai-usage.csv")
OPENAI_COSTS_CSV = _file("openai-costs.csv")


def report(*results: dict[str, Any], **more: Any) -> str:
    """One page of Anthropic's Admin API, with one bucket."""
    bucket = {"starting_at": "2025-11-21T00:00:00Z", "ending_at": "2025-11-22T00:00:00Z"}
    said = {"data": [{**bucket, "results": list(results)}], "has_more": False, "next_page": None}
    return json.dumps({**said, **more})


ANTHROPIC_USED = {
    "uncached_input_tokens": 500,
    "cache_creation": {"ephemeral_1h_input_tokens": 40, "ephemeral_5m_input_tokens": 160},
    "cache_read_input_tokens": 100,
    "output_tokens": 200,
    "server_tool_use": {"web_search_requests": 0},
    "api_key_id": "apikey_1",
    "workspace_id": None,
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "context_window": "0-200k",
}
ANTHROPIC_CHARGED = {
    "currency": "USD",
    "amount": "0.5",
    "workspace_id": None,
    "description": "Claude Sonnet 4 Usage - Input Tokens",
    "cost_type": "tokens",
    "context_window": "0-200k",
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "token_type": "uncached_input_tokens",
}
AZURE = _file("azure-details.csv")
AWS = _file("aws-cur.csv")
AWS_CUR_2 = _file("aws-cur-2.csv")
