"""AWS's Cost and Usage Report (CSV, also gzipped), for Amazon Bedrock.

Sources: AWS documentation, "Understanding your Amazon Bedrock Cost and Usage Report data" (usage
types by kind of token) and "Line item details" of the CUR dictionary. Headings are those of the
legacy report (`lineItem/UsageType`) or of CUR 2.0 (`line_item_usage_type`).
"""

import re
from decimal import Decimal
from typing import Final

from bailiwick_sidecar.invoices.fields import Place, csv_rows, picounits
from bailiwick_sidecar.invoices.model import Billed, Export

COLUMNS: Final = {
    "start": ("lineItem/UsageStartDate", "line_item_usage_start_date"),
    "type": ("lineItem/LineItemType", "line_item_line_item_type"),
    "product": ("lineItem/ProductCode", "line_item_product_code"),
    "usage": ("lineItem/UsageType", "line_item_usage_type"),
    "amount": ("lineItem/UsageAmount", "line_item_usage_amount"),
    "cost": ("lineItem/UnblendedCost", "line_item_unblended_cost"),
    "currency": ("lineItem/CurrencyCode", "line_item_currency_code"),
    "?unit": ("pricing/unit", "pricing_unit"),
    "?account": ("lineItem/UsageAccountId", "line_item_usage_account_id"),
}
USAGE: Final = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"})
"""Line item types that are use; taxes, credits and fees are none."""
_KIND: Final = re.compile(
    r"-(?:mantle-)?(?P<kind>cache-read-input-token-count|cache-write-input-token-count"
    r"|input-tokens?|output-tokens?)\b",
    re.IGNORECASE,
)
_REGION: Final = re.compile(r"^[A-Z]{2,4}[0-9]?-(?=.)")
_UNIT: Final = re.compile(r"\s*(?P<count>[0-9]*)\s*(?P<scale>[KM]?)\s*tokens?\b", re.IGNORECASE)


def read(file: str, text: str) -> Export:
    """The lines about Bedrock; lines of other products, taxes and credits are skipped.

    Raises:
        InvoiceError: a column is missing, or a figure is none.
    """
    lines: list[Billed] = []
    skipped = 0
    for place, row in csv_rows(file, text, needed=COLUMNS):
        if "bedrock" in row["product"].lower() and row["type"] in USAGE:
            lines.append(_line(place, row))
        else:
            skipped += 1
    return Export(tuple(lines), skipped)


def _line(place: Place, row: dict[str, str]) -> Billed:
    usage = row["usage"]
    found = _KIND.search(usage)
    kind = found["kind"].lower() if found else ""
    model = _REGION.sub("", usage[: found.start()] if found else usage)
    count = _tokens(place, row) if kind else None
    output = kind.startswith("output")
    return Billed(
        day=place.day("UsageStartDate", row["start"]),
        model=model,
        key=row.get("account", ""),
        input=None if count is None else (0 if output else count),
        cached_input=None if count is None else (count if kind.startswith("cache-read") else 0),
        output=None if count is None else (count if output else 0),
        cost=picounits(place.decimal("UnblendedCost", row["cost"])),
        currency=row["currency"].upper(),
    )


def _tokens(place: Place, row: dict[str, str]) -> int | None:
    """Tokens of the line; None where the unit does not say how many are in one."""
    unit = _UNIT.match(row.get("unit", ""))
    if unit is None:
        return None
    scale = {"": 1, "K": 1000, "M": 1_000_000}[unit["scale"].upper()]
    amount = place.decimal("UsageAmount", row["amount"])
    return int((amount * Decimal(unit["count"] or 1) * scale).to_integral_value())
