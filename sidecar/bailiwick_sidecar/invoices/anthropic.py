"""Anthropic's usage and cost reports, as the Admin API answers them.

Sources: API reference, "Get Messages Usage Report" and "Get Cost Report". Input tokens are given
in parts that exclude each other (uncached, read from the cache, written to it); amounts are decimal
strings in cents.
"""

from decimal import Decimal
from typing import Any

from bailiwick_sidecar.invoices.fields import Place, more_follows, picounits, results
from bailiwick_sidecar.invoices.model import Billed, Export, InvoiceError

CENT = Decimal("0.01")


def read(file: str, text: str) -> Export:
    """The export's lines; costs of anything but tokens keep their description as model.

    Raises:
        InvoiceError: it is none of Anthropic's, or not told apart by model.
    """
    lines = tuple(_line(place, bucket, one) for place, bucket, one in results(file, text))
    return Export(lines, more=more_follows(file, text))


def _line(place: Place, bucket: dict[str, Any], one: dict[str, Any]) -> Billed:
    day = place.day("starting_at", bucket.get("starting_at"))
    model = str(one.get("model") or "")
    if "amount" in one:
        named = model or str(one.get("description") or "")
        if not named:
            raise InvoiceError(
                f"{place.file}: {place.where} names no model: ask with group_by[]=description"
            )
        return Billed(
            day=day,
            model=named,
            key=str(one.get("api_key_id") or ""),
            cost=picounits(place.decimal("amount", one["amount"]) * CENT),
            currency=str(one.get("currency") or "USD").upper(),
        )
    if not model:
        raise InvoiceError(
            f"{place.file}: {place.where} names no model: ask with group_by[]=model and "
            "group_by[]=api_key_id"
        )
    read_tokens = place.whole("cache_read_input_tokens", one.get("cache_read_input_tokens"))
    written = one.get("cache_creation") or {}
    if not isinstance(written, dict):
        raise place.wrong("cache_creation", written, "object")
    return Billed(
        day=day,
        model=model,
        key=str(one.get("api_key_id") or ""),
        input=place.whole("uncached_input_tokens", one.get("uncached_input_tokens"))
        + read_tokens
        + sum(place.whole(f"cache_creation.{name}", count) for name, count in written.items()),
        cached_input=read_tokens,
        output=place.whole("output_tokens", one.get("output_tokens")),
    )
