"""List prices of the genai-prices package as the compiler takes them."""

from datetime import date, time
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider
from bailiwick_operator.api.v1alpha1.base import ObjectMeta
from bailiwick_operator.api.v1alpha1.cluster_model_provider import (
    ClusterModelProviderSpec,
    PricedModel,
)
from bailiwick_operator.api.v1alpha1.provider import Credentials, CredentialType, Price, Protocol
from bailiwick_operator.compile.catalogue import SOURCE, dated_prices, list_prices
from bailiwick_operator.compile.quantities import budget, rate

URL = "https://priced.example/v1"


def provider(*models: str, url: str = URL) -> ClusterModelProvider:
    return ClusterModelProvider(
        metadata=ObjectMeta(name="p"),
        spec=ClusterModelProviderSpec(
            protocol=Protocol.OPENAI,
            base_url=url,
            region="r",
            tier="t",
            credentials=Credentials(type=CredentialType.NONE),
            models=tuple(PricedModel(name=name) for name in models),
        ),
    )


def model(name: str, prices: ModelPrice | list[ConditionalPrice]) -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[ModelInfo]:
    """Models that the catalogue knows at the URL; the test adds them."""
    models: list[ModelInfo] = []
    maker = Provider(id="p", name="P", api_pattern=r"https://priced\.example", models=models)
    snapshot = DataSnapshot(providers=[maker], from_auto_update=False)
    monkeypatch.setattr("genai_prices.data_snapshot._custom_snapshot", snapshot)
    return models


def prices_of(name: str) -> list[tuple[str, Price, bool]]:
    found = list_prices([provider(name)])[URL, name]
    assert {one.source for one in found} == {SOURCE}
    return [(one.since, one.price, one.exact) for one in found]


def test_a_plain_price_is_exact(known: list[ModelInfo]) -> None:
    """Decimals as they are, never in exponents; requests are priced each."""
    price = ModelPrice(
        input_mtok=Decimal("0.10"),
        cache_read_mtok=Decimal("0.0000001"),
        output_mtok=Decimal(400),
        cache_write_mtok=Decimal("1.25"),
        input_audio_mtok=Decimal(10),
        output_audio_mtok=Decimal(20),
        requests_kcount=Decimal(5),
    )
    known.append(model("m", price))

    assert prices_of("m") == [
        (
            "",
            Price(
                input_per_million="0.1",
                cached_input_per_million="0.000001",
                output_per_million="400",
                cache_write_per_million="1.25",
                input_audio_per_million="10",
                output_audio_per_million="20",
                per_request="0.005",
            ),
            True,
        )
    ]


def test_prices_have_their_dates(known: list[ModelInfo]) -> None:
    """Each price holds from its day on; the one without a day holds before."""
    old, new = ModelPrice(input_mtok=Decimal(2)), ModelPrice(input_mtok=Decimal(1))
    start = StartDateConstraint(start_date=date(2026, 5, 1))
    known.append(model("m", [ConditionalPrice(prices=old), ConditionalPrice(start, prices=new)]))

    assert [(since, price.input_per_million) for since, price, _ in prices_of("m")] == [
        ("", "2"),
        ("2026-05-01T00:00:00Z", "1"),
    ]


def test_the_dearest_case_is_taken_and_marked(known: list[ModelInfo]) -> None:
    """What depends on the prompt's size or the time of the day is an upper bound."""
    tiered = TieredPrices(base=Decimal(1), tiers=[Tier(start=200_000, price=Decimal(3))])
    known.append(model("tiered", ModelPrice(input_mtok=tiered, output_mtok=Decimal(9))))
    night = TimeOfDateConstraint(start_time=time(0), end_time=time(6))
    cheap, dear = ModelPrice(input_mtok=Decimal(1)), ModelPrice(input_mtok=Decimal(2))
    known.append(
        model("nightly", [ConditionalPrice(prices=dear), ConditionalPrice(night, prices=cheap)])
    )

    ((_, by_size, size_is_exact),) = prices_of("tiered")
    ((_, by_hour, hour_is_exact),) = prices_of("nightly")

    assert (by_size.input_per_million, size_is_exact) == ("3", False)
    assert (by_hour.input_per_million, hour_is_exact) == ("2", False)


def test_what_is_not_priced_by_token_has_no_price(known: list[ModelInfo]) -> None:
    """A model priced by the hour, or not at all, is unpriced."""
    known.append(model("hours", ModelPrice(audio_hours=Decimal(1))))
    known.append(model("nothing", ModelPrice()))

    assert list_prices([provider("hours", "nothing")]) == {}


def test_a_model_name_alone_is_no_price() -> None:
    """The same model at a host that the catalogue does not know has no price there."""
    found = list_prices(
        [
            provider("gpt-4o", url="https://api.openai.com/v1"),
            provider("gpt-4o", url="http://127.0.0.1:8091/v1"),
        ]
    )

    assert set(found) == {("https://api.openai.com/v1", "gpt-4o")}


def test_every_price_of_the_package_can_be_charged() -> None:
    """No entry of the installed catalogue has a price that the ledger can't keep."""
    checked = 0
    for maker in get_snapshot().providers:
        for entry in maker.models:
            for price in dated_prices(entry):
                assert price.price.service_tiers == ()
                for name in price.price.__struct_fields__:
                    value = getattr(price.price, name)
                    if value is not None and name != "service_tiers":
                        (budget if name == "per_request" else rate)(value)
                        checked += 1

    assert checked > 1000
