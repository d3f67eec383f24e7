"""What the ledger has beside what a provider says, by day, model and key. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from bailiwick_sidecar.invoices.model import Billed, InvoiceError
from bailiwick_sidecar.ledger.sums import Sums
from bailiwick_sidecar.ledger.telling_apart import Keys

_DATED: Final = re.compile(r"[-@](20[0-9]{2}-?[0-9]{2}-?[0-9]{2}|latest)$")


class Cell(NamedTuple):
    """One day (UTC) of one model behind one key; the key is empty where keys are not told apart."""

    day: str
    model: str
    key: str


@dataclass(slots=True)
class Told:
    """What the provider says of a cell; None: nothing. Money in picounits of the ledger's."""

    input: int | None = None
    cached_input: int | None = None
    output: int | None = None
    cost: int | None = None


@dataclass(slots=True)
class Drift:
    """A cell from both sides."""

    cell: Cell
    ledger: Sums = field(default_factory=Sums)
    told: Told = field(default_factory=Told)

    def percent(self) -> Fraction | None:
        """The larger of the drifts of money and of tokens, in percent of the provider's figure.

        100 where one side has something and the other nothing; None where there is nothing that
        both could be compared by.
        """
        told, sums = self.told, self.ledger
        parts = []
        if told.cost is not None:
            parts.append(_percent(sums.total_cost, told.cost))
        if told.input is not None and told.output is not None:
            parts.append(_percent(sums.input + sums.output, told.input + told.output))
        return max(parts) if parts else None


@dataclass(frozen=True, slots=True)
class Names:
    """How a provider's names become the ledger's."""

    models: Mapping[str, str]
    """As told with --model: name in the file → model in the ledger."""
    keys: Keys
    known: frozenset[str]
    """Models in the ledger."""

    def model(self, name: str) -> str:
        """The ledger's name of the model; its own where the ledger has none such.

        The same name, else without the date of its release, else spelled with other separators.
        """
        if name in self.models:
            return self.models[name]
        bare = _DATED.sub("", name)
        for wanted in (name, bare):
            if wanted in self.known:
                return wanted
        plain = {_plain(model): model for model in sorted(self.known)}
        return plain.get(_plain(name)) or plain.get(_plain(bare)) or name


def compared(
    billed: Iterable[Billed],
    ledger: Mapping[Cell, Sums],
    names: Names,
    *,
    currency: str,
    rate: Fraction | None,
) -> list[Drift]:
    """Every cell of either side, in order.

    `currency` is the ledger's; money in another one is converted at `rate` (units of the ledger's
    for one of theirs), or left out without one. What the files do not speak of at all (tokens in a
    report of costs) is None everywhere; what they speak of is 0 where a cell has no line.

    Raises:
        InvoiceError: the files are in several currencies.
    """
    lines = list(billed)
    theirs = {line.currency for line in lines if line.cost is not None}
    if len(theirs) > 1:
        raise InvoiceError(
            f"the files are in {', '.join(sorted(theirs))}: give those of one currency at a time"
        )
    factor = Fraction(1) if theirs <= {currency} else rate
    drifts = {cell: Drift(cell, sums) for cell, sums in ledger.items()}
    for line in lines:
        cell = Cell(line.day, names.model(line.model), names.keys.of_line(line.key))
        _add(drifts.setdefault(cell, Drift(cell)).told, line, factor)
    _fill(drifts.values())
    return [drifts[cell] for cell in sorted(drifts)]


def by_model(drifts: Sequence[Drift]) -> list[Drift]:
    """The whole period of each model and key: what is held against the threshold.

    A call around midnight may be billed on the day after its admission, so that a single day says
    less than all of them.
    """
    whole: dict[Cell, Drift] = {}
    for drift in drifts:
        cell = drift.cell._replace(day="")
        total = whole.setdefault(cell, Drift(cell))
        total.ledger.add(drift.ledger)
        for name in ("input", "cached_input", "output", "cost"):
            value = getattr(drift.told, name)
            if value is not None:
                setattr(total.told, name, (getattr(total.told, name) or 0) + value)
    return list(whole.values())


def _add(told: Told, line: Billed, factor: Fraction | None) -> None:
    for name in ("input", "cached_input", "output"):
        value = getattr(line, name)
        if value is not None:
            setattr(told, name, (getattr(told, name) or 0) + value)
    if line.cost is not None and factor is not None:
        told.cost = (told.cost or 0) + round(line.cost * factor)


def _fill(drifts: Iterable[Drift]) -> None:
    """Nothing said of a cell is 0 where the files speak of that figure elsewhere."""
    listed = list(drifts)
    for name in ("input", "cached_input", "output", "cost"):
        if any(getattr(drift.told, name) is not None for drift in listed):
            for drift in listed:
                if getattr(drift.told, name) is None:
                    setattr(drift.told, name, 0)


def _percent(ours: int, theirs: int) -> Fraction:
    if ours == theirs:
        return Fraction(0)
    return Fraction(100 * abs(ours - theirs), abs(theirs)) if theirs else Fraction(100)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
