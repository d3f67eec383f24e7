"""OpenAI's usage and costs: the administration API's answers, and the dashboard's CSV exports.

Sources: API reference, "Usage" (completions, embeddings, moderations) and "Costs"; the usage page's
exports have the same figures as columns. `input_tokens` holds cached tokens. Where text and audio
are told apart by `input_text_tokens` it is the whole of both, otherwise text alone.
"""

from typing import Any

from bailiwick_sidecar.invoices.fields import Place, csv_rows, more_follows, picounits, results
from bailiwick_sidecar.invoices.model import Billed, Export, InvoiceError

COSTS = "organization.costs.result"


def read(file: str, text: str) -> Export:
    """The export's lines.

    Raises:
        InvoiceError: it is none of OpenAI's, or not told apart by model.
    """
    if text.lstrip()[:1] in ("{", "["):
        lines = tuple(_result(place, bucket, one) for place, bucket, one in results(file, text))
        return Export(lines, more=more_follows(file, text))
    if "amount_value" in text.split("\n", 1)[0]:
        return Export(tuple(_cost_rows(file, text)))
    return Export(tuple(_usage_rows(file, text)))


def _result(place: Place, bucket: dict[str, Any], one: dict[str, Any]) -> Billed:
    day = place.day("start_time", bucket.get("start_time"))
    if one.get("object") == COSTS:
        amount = one.get("amount")
        if not isinstance(amount, dict):
            raise place.wrong("amount", amount, "object with value and currency")
        return Billed(
            day=day,
            model=_model_of(place, one.get("line_item")),
            key=str(one.get("api_key_id") or ""),
            cost=picounits(place.decimal("amount.value", amount.get("value"))),
            currency=str(amount.get("currency") or "").upper(),
        )
    return _used(place, day, one)


def _used(place: Place, day: str, one: dict[str, Any]) -> Billed:
    model = one.get("model")
    if not model:
        raise InvoiceError(
            f"{place.file}: {place.where} names no model: ask with group_by=model,api_key_id"
        )
    apart = not one.get("input_text_tokens")
    return Billed(
        day=day,
        model=str(model),
        key=str(one.get("api_key_id") or ""),
        input=place.whole("input_tokens", one.get("input_tokens"))
        + (place.whole("input_audio_tokens", one.get("input_audio_tokens")) if apart else 0),
        cached_input=place.whole("input_cached_tokens", one.get("input_cached_tokens")),
        output=place.whole("output_tokens", one.get("output_tokens"))
        + (place.whole("output_audio_tokens", one.get("output_audio_tokens")) if apart else 0),
    )


def _usage_rows(file: str, text: str) -> list[Billed]:
    names = (
        "input_cached_tokens", "output_tokens", "input_audio_tokens", "output_audio_tokens",
        "input_text_tokens", "api_key_id",
    )  # fmt: skip
    needed = {"start_time": ("start_time", "start_time_iso"), "model": ("model",)}
    needed |= {"input_tokens": ("input_tokens",)} | {f"?{name}": (name,) for name in names}
    return [
        _used(place, place.day("start_time", row["start_time"]), row)
        for place, row in csv_rows(file, text, needed=needed)
        if row["model"]  # an hour without calls has a row too
    ]


def _cost_rows(file: str, text: str) -> list[Billed]:
    needed = {
        name: (name,)
        for name in ("start_time", "amount_value", "amount_currency", "line_item", "?api_key_id")
    }
    return [
        Billed(
            day=place.day("start_time", row["start_time"]),
            model=_model_of(place, row["line_item"]),
            key=row.get("api_key_id", ""),
            cost=picounits(place.decimal("amount_value", row["amount_value"])),
            currency=row["amount_currency"].upper(),
        )
        for place, row in csv_rows(file, text, needed=needed)
        if row["amount_value"]
    ]


def _model_of(place: Place, line_item: object) -> str:
    """Of "gpt-5-mini-2025-08-07, cached input" what comes before the kind of token."""
    if not line_item:
        raise InvoiceError(
            f"{place.file}: {place.where} names no line_item: ask with group_by=line_item"
        )
    return str(line_item).split(",", 1)[0].strip()
