"""What the counting provider's answers look like at each endpoint, as OpenAI documents them."""

from typing import Any

JSON_ONLY = ("/embeddings", "/moderations", "/images/generations")
IMAGE_TOKENS = 272


def counted(path: str, body: dict[str, Any]) -> int:
    """Output tokens of an endpoint that says no words."""
    return IMAGE_TOKENS * int(body.get("n") or 1) if path.endswith("/generations") else 0


def cap_of(path: str, body: dict[str, Any]) -> tuple[int, int]:
    """How many choices, and the most tokens of each."""
    if path.endswith("/responses"):
        return 1, int(body.get("max_output_tokens") or 64)
    if path.endswith("/chat/completions"):
        cap = body.get("max_completion_tokens") or body.get("max_tokens") or 64
        return int(body.get("n") or 1), int(cap)
    prompts = body.get("prompt")
    many = len(prompts) if isinstance(prompts, list) else 1
    made = int(body.get("best_of") or body.get("n") or 1)
    return many * made, int(body.get("max_tokens") or 16)


def usage_of(facts: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The usage object: of the newer kind for responses and images."""
    took, made = facts["prompt_tokens"], facts["completion_tokens"]
    if path.endswith("/embeddings"):
        return {"prompt_tokens": took, "total_tokens": took}
    if path.endswith("/generations"):
        return {
            "input_tokens": took,
            "input_tokens_details": {"text_tokens": took, "image_tokens": 0},
            "output_tokens": made,
            "total_tokens": took + made,
        }
    if path.endswith("/responses"):
        return {
            "input_tokens": took,
            "input_tokens_details": {"cached_tokens": took // 2, "cache_write_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": made // 2},
            "total_tokens": took + made,
        }
    return {
        "prompt_tokens": took,
        "completion_tokens": made,
        "total_tokens": took + made,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def answer_of(path: str, body: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The whole answer, with the service tier where the provider was told one."""
    return shape_of(path, body, facts) | tier_of(facts)


def tier_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The member that says which service tier it was."""
    return {"service_tier": facts["tier"]} if facts.get("tier") else {}


def shape_of(path: str, body: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The answer without what not every answer has."""
    usage, model, text = usage_of(facts, path), body["model"], " w" * facts["completion_tokens"]
    if path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}]
        return {"object": "list", "model": model, "data": data, "usage": usage}
    if path.endswith("/moderations"):
        result = {"flagged": False, "categories": {}, "category_scores": {}}
        return {"id": "modr-1", "model": model, "results": [result]}
    if path.endswith("/generations"):
        data = [{"b64_json": "AA=="} for _ in range(int(body.get("n") or 1))]
        return {"created": 1, "data": data, "usage": usage}
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        item = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": model,
            "status": "completed",
            "output": [item],
            "usage": usage,
        }
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if path.endswith("/chat/completions"):
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{**choice, "message": {"role": "assistant", "content": text}}],
            "usage": usage,
        }
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": model,
        "choices": [{**choice, "text": text}],
        "usage": usage,
    }


Events = list[dict[str, Any]]


def chunks_of(
    path: str, body: dict[str, Any], facts: dict[str, Any], *, usage: bool
) -> tuple[Events, dict[str, Any], Events]:
    """A stream: what it begins with, one word, what it ends with."""
    if path.endswith("/responses"):
        whole = answer_of(path, body, facts)
        if not usage:
            whole["usage"] = None
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        word = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": " w"}
        return (
            [{"type": "response.created", "response": begun}],
            word,
            [{"type": "response.completed", "response": whole}],
        )
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    chat = path.endswith("/chat/completions")
    frame: dict[str, Any] = {
        "id": "chatcmpl-1" if chat else "cmpl-1",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1,
        "model": body["model"],
        **tier_of(facts),
    }
    said = {"delta": {"content": " w"}} if chat else {"text": " w"}
    choice: dict[str, Any] = {"index": 0, "finish_reason": None, **said}
    word = {**frame, "choices": [choice]} | ({"usage": None} if asked else {})
    silent = {"delta": {}} if chat else {"text": ""}
    last = {**frame, "choices": [{"index": 0, "finish_reason": "stop", **silent}]}
    figures = {**frame, "choices": [], "usage": usage_of(facts)}
    return [], word, [last, *([figures] if asked and usage else [])]
