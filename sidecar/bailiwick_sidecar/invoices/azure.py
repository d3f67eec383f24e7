"""Azure's cost and usage details: the CSV that Cost Management exports, for Azure OpenAI.

Source: Microsoft Learn, "Cost and usage details file schema" (EA, MCA and pay-as-you-go, which
spell headings differently). A meter's name has model and kind of token in it, abbreviated; it is
used as the model's name once the words that are none of it are gone.
"""

import re
from decimal import Decimal
from typing import Final

from bailiwick_sidecar.invoices.fields import Place, csv_rows, picounits
from bailiwick_sidecar.invoices.model import Billed, Export

COLUMNS: Final = {
    "date": ("Date", "UsageDateTime", "UsageDate"),
    "category": ("MeterCategory",),
    "sub": ("MeterSubCategory", "MeterSubcategory"),
    "meter": ("MeterName", "Meter"),
    "quantity": ("Quantity", "UsageQuantity"),
    "unit": ("UnitOfMeasure",),
    "cost": ("CostInBillingCurrency", "PreTaxCost", "Cost"),
    "currency": ("BillingCurrency", "BillingCurrencyCode", "Currency"),
    "?resource": ("ResourceId", "InstanceId", "InstanceName"),
}
_OURS: Final = re.compile(r"openai|foundry models", re.IGNORECASE)
_NOISE: Final = re.compile(
    r"\b(inp(ut)?|in|outp(ut)?|out|opt|cached|cache|cchd|cd|tokens?|glbl|global|gl|regnl|regional"
    r"|rgnl|dzone|dz|data ?zone|std|standard)\b",
    re.IGNORECASE,
)
_OUTPUT: Final = re.compile(r"\b(outp(ut)?|out|opt)\b", re.IGNORECASE)
_CACHED: Final = re.compile(r"\b(cached|cache|cchd|cd)\b", re.IGNORECASE)
_UNIT: Final = re.compile(r"\s*([0-9]+)\s*([KM]?)\b", re.IGNORECASE)


def read(file: str, text: str) -> Export:
    """The lines about Azure OpenAI; lines of other services are skipped.

    Raises:
        InvoiceError: a column is missing, or a figure is none.
    """
    lines: list[Billed] = []
    skipped = 0
    for place, row in csv_rows(file, text, needed=COLUMNS):
        if _OURS.search(f"{row['category']} {row['sub']}"):
            lines.append(_line(place, row))
        else:
            skipped += 1
    return Export(tuple(lines), skipped)


def _line(place: Place, row: dict[str, str]) -> Billed:
    words = re.sub(r"[-_]", " ", row["meter"])
    model = "-".join(_NOISE.sub(" ", words).split()).lower()
    count: int | None = None
    if "token" in words.lower() or "token" in row["unit"].lower():
        count = int(place.decimal("Quantity", row["quantity"]) * _tokens_in(place, row["unit"]))
    output = _OUTPUT.search(words) is not None
    cached = not output and _CACHED.search(words) is not None
    return Billed(
        day=place.day("Date", row["date"]),
        model=model or row["meter"],
        key=row.get("resource", "").rstrip("/").rsplit("/", 1)[-1],
        input=None if count is None else (0 if output else count),
        cached_input=None if count is None else (count if cached else 0),
        output=None if count is None else (count if output else 0),
        cost=picounits(place.decimal("CostInBillingCurrency", row["cost"])),
        currency=row["currency"].upper(),
    )


def _tokens_in(place: Place, unit: str) -> Decimal:
    """Tokens in one unit: "1K" and "1K Tokens" are a thousand."""
    found = _UNIT.match(unit)
    if found is None:
        raise place.wrong("UnitOfMeasure", unit, "unit such as 1K")
    return Decimal(found[1]) * {"": 1, "K": 1000, "M": 1_000_000}[found[2].upper()]
