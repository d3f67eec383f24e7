"""Whole amounts divided exactly: the parts add up to the whole. Pure."""

from collections.abc import Sequence


def divided(whole: int, weights: Sequence[int]) -> list[int]:
    """Parts of the whole in proportion to the weights (largest remainder; Hamilton's method).

    Equal remainders go to the earlier one. Without any weight all parts are equal as far as they
    can be. `whole` is 0 or more; so is each weight.
    """
    total = sum(weights)
    if not total:
        weights = [1] * len(weights)
        total = len(weights)
    parts = [whole * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(whole * weights[i] % total), i))
    for index in order[: whole - sum(parts)]:
        parts[index] += 1
    return parts
