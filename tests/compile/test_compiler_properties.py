"""What holds for every input: the order does not matter, and no text breaks the compiler."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from compile.compile_cases import BASES, resources
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick_contract.canon import canonical_bytes
from bailiwick_operator.api.validation import Resources
from bailiwick_operator.compile.inputs import Claim, CompileInput, CompileResult
from bailiwick_operator.compile.tenant import compile_tenant
from bailiwick_operator.conditions import Status

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def example(name: str) -> list[dict[str, Any]]:
    return [
        document
        for file in BASES[name]
        for document in yaml.safe_load_all(Path(file).read_text(encoding="utf-8"))
    ]


def inputs(found: Resources) -> CompileInput:
    (tenant,) = found.tenants
    return CompileInput(
        tenant=tenant,
        namespace=tenant.spec.namespaces[0].name,
        gateways=1,
        quota_store=None,
        claims=(Claim("", tenant.metadata.name),),
        cluster_providers=found.cluster_model_providers,
        providers=found.model_providers,
        routes=found.model_routes,
        quotas=found.quotas,
        price_books=found.price_books,
    )


def shuffled(value: Any, order: random.Random) -> Any:
    """The value with every list of structs or names in it in another order."""
    if isinstance(value, tuple):
        members = [shuffled(member, order) for member in value]
        order.shuffle(members)
        return tuple(members)
    if isinstance(value, msgspec.Struct):
        fields = {
            field: shuffled(getattr(value, field), order) for field in value.__struct_fields__
        }
        return type(value)(**fields)
    return value


def outcome(result: CompileResult) -> tuple[bytes, dict[str, tuple[str, str]]]:
    assert result.config is not None
    conditions = {
        str(ref): (one.status.value, one.reason.value) for ref, one in result.conditions.items()
    }
    return canonical_bytes(result.config), conditions


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0))
def test_the_same_resources_in_any_order_give_the_same_bytes(seed: int) -> None:
    """Neither the order of resources nor that of the lists inside them changes the config."""
    given_ = inputs(resources(example("acme")))
    order = random.Random(seed)
    mixed = replace(
        given_,
        tenant=shuffled(given_.tenant, order),
        cluster_providers=shuffled(given_.cluster_providers, order),
        routes=shuffled(given_.routes, order),
        quotas=shuffled(given_.quotas, order),
        price_books=shuffled(given_.price_books, order),
    )

    assert outcome(compile_tenant(mixed, NOW)) == outcome(compile_tenant(given_, NOW))


def texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every string that is free text: not a name of a resource, nor an enum's word."""
    if isinstance(value, str):
        return [path]
    if isinstance(value, tuple):
        return [
            found for index, member in enumerate(value) for found in texts(member, (*path, index))
        ]
    if isinstance(value, msgspec.Struct):
        return [
            found
            for field in value.__struct_fields__
            for found in texts(getattr(value, field), (*path, field))
        ]
    return []


def changed(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """The value with the text at the path; nothing checks whether its type allows it."""
    if not path:
        return text
    step, *rest = path
    if isinstance(value, tuple):
        return tuple(
            changed(member, tuple(rest), text) if index == step else member
            for index, member in enumerate(value)
        )
    return msgspec.structs.replace(
        value, **{step: changed(getattr(value, step), tuple(rest), text)}
    )


EVERYTHING = inputs(resources(example("acme")))
PLACES = [
    (kind, index, path)
    for kind in ("cluster_providers", "routes", "quotas", "price_books")
    for index, resource in enumerate(getattr(EVERYTHING, kind))
    for path in texts(resource.spec, ("spec",))
]
TENANT_PLACES = texts(EVERYTHING.tenant.spec, ("spec",))
TROUBLE = (
    "",
    "\ud800",
    "\x00",
    "1e999999999",
    "9" * 400,
    "NaN",
    "https://[::1",
    "https://[v1.x]:99999999999999999999",
    "{tenant}{",
    "[" * 20_000,
    '{"keys":[' + "[" * 20_000,
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00.999999999Z",
    "../../etc/passwd",
    "/",
)
"""Texts that break what is careless with them."""
ANY = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="0123456789.eE+-/{}[]:@%$~\\ \x00\n", max_size=30),
)


def compiled_with(place: tuple[str, int, tuple[Any, ...]], text: str) -> CompileResult:
    kind, index, path = place
    members = list(getattr(EVERYTHING, kind))
    members[index] = changed(members[index], path, text)
    return compile_tenant(replace(EVERYTHING, **{kind: tuple(members)}), NOW)


def compiled_with_tenant(path: tuple[Any, ...], text: str) -> CompileResult:
    tenant = changed(EVERYTHING.tenant, path, text)
    return compile_tenant(replace(EVERYTHING, tenant=tenant), NOW)


def says_why(result: CompileResult) -> bool:
    """A config, or a Tenant whose condition says why there is none."""
    (tenant,) = [one for ref, one in result.conditions.items() if ref.kind == "Tenant"]
    refused = tenant.status is Status.FALSE
    return (result.config is None) == refused == bool(refused and tenant.message)


@pytest.mark.parametrize("text", TROUBLE, ids=lambda text: repr(text)[:20])
def test_known_trouble_in_any_field_breaks_nothing(text: str) -> None:
    """In whichever field such a text stands, the others serve, or the Tenant says why not."""
    for place in PLACES:
        assert compiled_with(place, text).config is not None, place
    for path in TENANT_PLACES:
        assert says_why(compiled_with_tenant(path, text)), path


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), ANY)
def test_no_text_in_a_resource_breaks_the_compiler(
    place: tuple[str, int, tuple[Any, ...]], text: str
) -> None:
    """Whatever stands in a field of a resource, there is a config."""
    result = compiled_with(place, text)

    assert result.config is not None
    assert len(canonical_bytes(result.config)) < 100_000


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TENANT_PLACES), ANY)
def test_no_text_in_a_tenant_breaks_the_compiler(path: tuple[Any, ...], text: str) -> None:
    """Whatever stands in a Tenant, there is a config, or its condition says why not."""
    assert says_why(compiled_with_tenant(path, text))
