"""What a call asks for is read strictly where it counts."""

import json
from typing import Any

import pytest

from bailiwick_sidecar.admission.body import Ask, read
from bailiwick_sidecar.admission.errors import RefusedError

TAGS = ("customer_id", "feature_name")


def ask(**members: Any) -> Ask:
    said = {
        "path": "/v1/chat/completions",
        "size": 200,
        "opaque": False,
        "model": "fast",
        **members,
    }
    return read(json.dumps(said).encode(), allowed_tags=TAGS)


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"model": None}, "missing_required_parameter", "model"),
        ({"model": 7}, "invalid_type", "model"),
        ({"model": ["fast"]}, "invalid_type", "model"),
        ({"stream": "true"}, "invalid_type", "stream"),
        ({"stream": 1}, "invalid_type", "stream"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 129}, "invalid_value", "n"),
        ({"n": 1.0}, "invalid_type", "n"),
        ({"n": True}, "invalid_type", "n"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"max_tokens": -1}, "invalid_value", "max_tokens"),
        ({"max_tokens": 2**31}, "invalid_value", "max_tokens"),
        ({"max_tokens": 10**30}, "invalid_type", "max_tokens"),
        ({"max_completion_tokens": 1.5}, "invalid_type", "max_completion_tokens"),
        ({"max_completion_tokens": "9"}, "invalid_type", "max_completion_tokens"),
        ({"max_completion_tokens": False}, "invalid_type", "max_completion_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "conflicting_parameters", "max_tokens"),
        ({"stream_options": []}, "invalid_type", "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "invalid_type", "stream_options.include_usage"),
        ({"store": True}, "unsupported_parameter", "store"),
        ({"store": "yes"}, "invalid_type", "store"),
        ({"background": True}, "unsupported_parameter", "background"),
        ({"prediction": {"type": "content"}}, "unsupported_parameter", "prediction"),
        ({"service_tier": "priority "}, "unsupported_parameter", "service_tier"),
        ({"service_tier": ["auto"]}, "unsupported_parameter", "service_tier"),
        ({"web_search_options": {}}, "unsupported_parameter", "web_search_options"),
        ({"search_parameters": {"mode": "on"}}, "unsupported_parameter", "search_parameters"),
        ({"plugins": [{"id": "web"}]}, "unsupported_parameter", "plugins"),
        ({"tools": ["web_search"]}, "unsupported_parameter", "tools"),
        ({"tools": [None]}, "unsupported_parameter", "tools"),
        ({"models": ["other"]}, "unsupported_parameter", "models"),
        ({"fallbacks": ["other"]}, "unsupported_parameter", "fallbacks"),
        ({"api_base": "https://evil.example"}, "unsupported_parameter", "api_base"),
        ({"base_url": "https://evil.example"}, "unsupported_parameter", "base_url"),
        ({"best_of": 2}, "unsupported_parameter", "best_of"),
        ({"best_of": []}, "unsupported_parameter", "best_of"),
        ({"metadata": "x"}, "invalid_type", "metadata"),
        ({"metadata": {"other": "x"}}, "unknown_tag", "metadata"),
        ({"metadata": {"customer_id": 7}}, "invalid_tag", "metadata"),
        ({"metadata": {"customer_id": "x" * 513}}, "invalid_tag", "metadata"),
        ({"metadata": {"customer_id": "a\nb"}}, "invalid_tag", "metadata"),
        ({"tags": "customer_id"}, "invalid_value", "x-bailiwick-tags"),
        ({"tags": "team=x"}, "unknown_tag", "x-bailiwick-tags"),
        ({"tags": "customer_id=a,customer_id=b"}, "invalid_tag", "x-bailiwick-tags"),
        ({"tags": "x" * 5000}, "invalid_value", "x-bailiwick-tags"),
        ({"path": "/v1/embeddings", "stream": True}, "unsupported_parameter", "stream"),
        ({"path": "/v1/files"}, "invalid_json", None),
        ({"size": None}, "invalid_json", None),
    ],
)
def test_mistakes_are_400_and_name_the_parameter(
    members: dict[str, Any], code: str, param: str | None
) -> None:
    """Each mistake gives its own stable code, and `param` says where it is."""
    with pytest.raises(RefusedError) as caught:
        ask(**members)

    refusal = caught.value.refusal
    assert (refusal.code, refusal.param, refusal.status) == (code, param, 400)
    assert param is None or param in refusal.message or code == "unknown_tag" or "tag" in code


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'{"model": nope}', b"\xff", b"[" * 9000])
def test_a_broken_envelope_is_400(body: bytes) -> None:
    """Raw values that are no JSON come out as a refusal, not as a failure."""
    with pytest.raises(RefusedError) as caught:
        read(body, allowed_tags=TAGS)

    assert caught.value.refusal.code == "invalid_json"


def test_null_is_absent() -> None:
    """OpenAI's parameters are nullable: null says nothing."""
    said = ask(
        stream=None,
        n=None,
        max_completion_tokens=None,
        stream_options=None,
        metadata=None,
        tags=None,
        store=None,
        background=None,
        prediction=None,
        service_tier=None,
    )

    assert (said.what.stream, said.what.n, said.what.requested, said.what.usage_wanted) == (
        False,
        1,
        None,
        False,
    )
    assert (said.tags, said.drop) == ((), ("metadata",))


@pytest.mark.parametrize(
    ("members", "field", "requested", "drop"),
    [
        ({}, "max_completion_tokens", None, ()),
        ({"max_tokens": 5}, "max_tokens", 5, ()),
        ({"max_completion_tokens": 5}, "max_completion_tokens", 5, ()),
        (
            {"max_tokens": 5, "max_completion_tokens": 5},
            "max_completion_tokens",
            5,
            ("max_tokens",),
        ),
        ({"max_tokens": None}, "max_completion_tokens", None, ("max_tokens",)),
        (
            {"max_tokens": 5, "max_completion_tokens": None},
            "max_completion_tokens",
            5,
            ("max_tokens",),
        ),
    ],
)
def test_the_cap_stays_in_the_field_that_the_caller_chose(
    members: dict[str, Any], field: str, requested: int | None, drop: tuple[str, ...]
) -> None:
    """One field carries the cap to the provider, never two that could differ."""
    said = ask(**members)

    assert (said.what.cap_field, said.what.requested, said.drop) == (field, requested, drop)


@pytest.mark.parametrize(
    ("requested", "route_max", "route_default", "model_max", "cap"),
    [
        (None, 0, 0, 0, 4096),
        (None, 0, 0, 2000, 2000),
        (None, 3000, 0, 2000, 2000),
        (None, 3000, 0, 9000, 3000),
        (None, 3000, 1000, 9000, 1000),
        (None, 3000, 1000, 500, 500),
        (700, 3000, 1000, 9000, 700),
        (7000, 3000, 1000, 9000, 3000),
        (7000, 0, 0, 500, 500),
        (7000, 0, 0, 0, 7000),
    ],
)
def test_the_output_cap_is_the_smallest_of_all(
    requested: int | None, route_max: int, route_default: int, model_max: int, cap: int
) -> None:
    """The caller may ask for less, never for more; saying nothing gets the default."""
    said = ask(max_tokens=requested) if requested else ask()

    assert (
        said.output_cap(route_max=route_max, route_default=route_default, model_max=model_max)
        == cap
    )


def test_the_input_is_bounded_by_size_or_window() -> None:
    """Text by its bytes, anything else by the model's window, and never more than that."""
    text, image = ask(size=5000), ask(size=5000, opaque=True)

    assert (text.input_bound(0), text.input_bound(4000), text.input_bound(8000)) == (
        5000,
        4000,
        5000,
    )
    assert (image.input_bound(0), image.input_bound(8000)) == (None, 8000)
    assert ask(opaque=None).opaque, "what the gateway did not look at is not known to be text"


def test_tags_come_from_both_places_and_leave_the_body() -> None:
    """Declared tags are kept, sorted; `metadata` never reaches a provider."""
    said = ask(metadata={"feature_name": "search"}, tags=" customer_id = 42 ,, ")

    assert said.tags == (("customer_id", "42"), ("feature_name", "search"))
    assert said.drop == ("metadata",)


def test_embeddings_have_no_output() -> None:
    """Nothing is generated, so no output is reserved and no cap set."""
    said = ask(path="/v1/embeddings", max_tokens="ignored by us")

    assert said.output_cap(route_max=100, route_default=10, model_max=50) == 0
    assert (said.operation, said.what.n) == ("embeddings", 1)
