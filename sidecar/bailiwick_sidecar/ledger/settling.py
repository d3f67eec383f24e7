"""Unknown rows settled by an invoice, as far as it explains them. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from bailiwick_sidecar.ledger.adjusting import RECONCILED, Adjustment, Standing
from bailiwick_sidecar.ledger.drift import Drift
from bailiwick_sidecar.ledger.shares import divided


def settled(
    drift: Drift, unknown: Sequence[Standing], *, threshold: Fraction, made_at: int, note: str
) -> list[Adjustment]:
    """Adjustments that divide what was billed beyond the known rows among the unknown ones.

    Empty where the invoice says no money, or where what is left over is less than nothing or more
    than these rows had reserved, by more than the threshold (percent of what was billed): then
    something else is wrong, and it is not theirs to cover it up. Each gets its share by what it
    had reserved; the shares add up exactly. Tokens likewise where the invoice says them.
    """
    billed = drift.told.cost
    if billed is None or not unknown:
        return []
    reserved = sum(one.cost for one in unknown)
    left = billed - (drift.ledger.total_cost - reserved)
    slack = abs(billed) * threshold / 100
    if left < -slack or left > reserved + slack:
        return []
    costs = divided(min(max(left, 0), reserved), [one.cost for one in unknown])
    inputs = _tokens(drift.told.input, drift.ledger.input, [one.input_tokens for one in unknown])
    outputs = _tokens(
        drift.told.output, drift.ledger.output, [one.output_tokens for one in unknown]
    )
    return [
        Adjustment(
            before=one,
            after=replace(
                one,
                revision=one.revision + 1,
                state="settled",
                cost=cost,
                input_tokens=taken,
                output_tokens=given,
            ),
            made_at=made_at,
            reason=RECONCILED,
            note=note,
        )
        for one, cost, taken, given in zip(unknown, costs, inputs, outputs, strict=True)
    ]


def _tokens(told: int | None, counted: int, reserved: list[int]) -> list[int]:
    """Each row's share of the tokens beyond the known rows'; as reserved where nothing is said."""
    if told is None:
        return reserved
    whole = sum(reserved)
    return divided(min(max(told - (counted - whole), 0), whole), reserved)
