"""Service tiers: which of a model's prices an attempt may cost, and which one it did. Pure.

A provider may serve a call in another tier than was asked for: `auto` leaves the choice to it, and
a tier that is full falls back to the standard one (OpenAI API reference, `service_tier`). So the
dearest of what is possible is reserved, and what the answer says decides.
"""

import re
from dataclasses import dataclass
from typing import Final

from bailiwick_contract.rating import RateTuple, TierRates, TokenCounts, cost, upper_bound

STANDARD: Final = "default"
"""The tier whose price is the model's own; its mark is empty."""
CHOICE: Final = "auto"
"""The provider chooses; as if the caller had said nothing."""

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
"""What a tier may be called, by whom it may be."""

_STANDARD: Final = frozenset({STANDARD, "standard"})
_UNSAID: Final = frozenset({"", CHOICE})
_OTHER: Final = "other"
_AS: Final = "~"
_MARK: Final = "#"


@dataclass(frozen=True, slots=True)
class Terms:
    """What one attempt may be charged by.

    `asked` is the tier that the caller asked for; empty: none, the provider chooses. `rates` are
    the standard tier's, `tiers` those of all others that have a price.
    """

    rates: RateTuple
    tiers: TierRates
    asked: str = ""

    def possible(self) -> TierRates:
        """The tiers that may serve it, the standard one first, by their mark."""
        if self.asked in _UNSAID:
            return self.known()
        asked = tuple(tier for tier in self.tiers if tier[0] == self.asked)
        if asked or self.asked in _STANDARD:
            return (("", self.rates), *asked)
        return self.known()

    def known(self) -> TierRates:
        """Every tier that has a price, the standard one first, by its mark."""
        return (("", self.rates), *self.tiers)


@dataclass(frozen=True, slots=True)
class Charged:
    """What tokens cost (picounits), and the mark of the tier that they were charged by.

    The mark is empty for the standard tier, `flex` for that tier, and `scale~flex` where the
    answer named a tier without a price and the dearest was taken.
    """

    cost: int
    mark: str

    @property
    def sure(self) -> bool:
        """False where the answer's tier has no price."""
        return _AS not in self.mark


def dearest(tiers: TierRates, tokens: TokenCounts) -> Charged:
    """What these tokens cost in the dearest of the tiers; of equals in the first."""
    found = [Charged(cost(rates, tokens), mark) for mark, rates in tiers]
    return max(found, key=lambda charged: charged.cost)


def bound(terms: Terms, *, input_bound: int, output_bound: int) -> Charged:
    """The most that an attempt within these bounds (tokens) can cost in a possible tier."""
    found = [
        Charged(upper_bound(rates, input_bound=input_bound, output_bound=output_bound), mark)
        for mark, rates in terms.possible()
    ]
    return max(found, key=lambda charged: charged.cost)


def charged(terms: Terms, answered: str, tokens: TokenCounts) -> Charged:
    """What the tokens cost in the tier that the answer names; empty: it names none.

    One that says nothing is taken for what was asked; where that was a tier of its own, for the
    dearer of that and the standard one.
    """
    if answered in _UNSAID:
        if terms.asked in _UNSAID:
            return Charged(cost(terms.rates, tokens), "")
        return dearest(terms.possible(), tokens)
    if answered in _STANDARD:
        return Charged(cost(terms.rates, tokens), "")
    rates = next((rates for name, rates in terms.tiers if name == answered), None)
    if rates is not None:
        return Charged(cost(rates, tokens), answered)
    most = dearest(terms.known(), tokens)
    name = answered if NAME.fullmatch(answered) else _OTHER
    return Charged(most.cost, f"{name}{_AS}{most.mark or STANDARD}")


def named(source: str, mark: str) -> str:
    """The price's source with the tier of it that was charged: `PriceBook/list/large#flex`."""
    return f"{source}{_MARK}{mark}" if mark else source


def told(source: str) -> str:
    """The tier that served, out of what `named` made; empty: the standard one."""
    return source.partition(_MARK)[2].partition(_AS)[0]
