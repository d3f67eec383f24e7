"""What the operator gathers for a namespace holds the public list prices of its providers."""

from pathlib import Path

import pytest
import yaml
from genai_prices.data_snapshot import get_snapshot

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, ModelProvider, Tenant
from bailiwick_operator.app import Operator
from bailiwick_operator.children.model import GatewaySettings
from bailiwick_operator.compile.catalogue import ListPrices
from bailiwick_operator.gather import Surroundings, gather
from bailiwick_operator.settings import Settings
from bailiwick_operator.world import Broken, World, parse

ACME = Path(__file__).parents[2] / "examples" / "acme" / "platform.yaml"


def priced_nowhere(kind: str, url: str, model: str, *, namespace: str = "") -> dict[str, object]:
    return {
        "kind": kind,
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {
            "protocol": "OpenAI",
            "baseURL": url,
            "credentials": {"type": "None"},
            "models": [{"name": model}],
            **({"region": "r", "tier": "t"} if kind == "ClusterModelProvider" else {}),
        },
    }


def known_world(*cluster: ClusterModelProvider, own: tuple[ModelProvider, ...] = ()) -> World:
    return World(
        tenants={},
        claims={},
        cluster_providers={one.metadata.name: [one] for one in cluster},
        price_books={},
        providers={"acme-prod": own},
        routes={},
        quotas={},
        provider_users={},
        namespaces={},
        bindings={},
        bound={},
        pods={},
        owned=(),
    )


def acme() -> Tenant:
    body = next(
        one for one in yaml.safe_load_all(ACME.read_text()) if one and one["kind"] == "Tenant"
    )
    tenant = parse(Tenant, body)
    assert not isinstance(tenant, Broken)
    return tenant


def test_prices_of_both_kinds_of_providers_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds get the package's prices, and the second compile does not search for them."""
    shared = parse(
        ClusterModelProvider,
        priced_nowhere("ClusterModelProvider", "https://api.openai.com/v1", "gpt-4o"),
    )
    own = parse(
        ModelProvider,
        priced_nowhere(
            "ModelProvider", "https://api.mistral.ai/v1", "mistral-large-latest", namespace="x"
        ),
    )
    assert not isinstance(shared, Broken)
    assert not isinstance(own, Broken)
    surroundings = Surroundings(list_prices=ListPrices())
    world = known_world(shared, own=(own,))

    first = gather(world, acme(), "acme-prod", surroundings=surroundings).catalogue
    monkeypatch.setattr(type(get_snapshot()), "find_provider_model", None)
    again = gather(world, acme(), "acme-prod", surroundings=surroundings).catalogue

    assert set(first) == {
        ("https://api.openai.com/v1", "gpt-4o"),
        ("https://api.mistral.ai/v1", "mistral-large-latest"),
    }
    assert again == first


def test_the_operator_knows_list_prices() -> None:
    """The composed operator compiles with the package's prices, not with none."""
    operator = Operator(Settings(gateway=GatewaySettings(image="i")))

    assert isinstance(operator._surroundings.list_prices, ListPrices)
