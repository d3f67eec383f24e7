"""Values out of CSV and JSON, with messages that say where one is wrong."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from bailiwick_contract.money import PICO
from bailiwick_sidecar.invoices.model import InvoiceError

LARGEST: Final = 1 << 30
"""Bytes of text; a larger export is split by month."""


def text_of(path: Path) -> str:
    """The file's text, unpacked where it is gzip.

    Raises:
        InvoiceError: it can't be read, is no text, or too large.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            # No more than a byte too many is ever unpacked.
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise InvoiceError(f"{path}: larger than 1 GiB: export a month at a time")
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InvoiceError(f"{path} can't be read ({error}): check its name and mode") from error
    except UnicodeDecodeError as error:
        raise InvoiceError(
            f"{path}: byte {error.start} is no UTF-8: give the file as the provider exports it"
        ) from error


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    file: str
    where: str
    """Such as `line 3` or `data[0].results[2]`."""

    def wrong(self, field: str, value: object, expected: str) -> InvoiceError:
        """That the value is not what it must be."""
        return InvoiceError(f"{self.file}: {self.where}, {field}: {value!r} is no {expected}")

    def whole(self, field: str, value: object) -> int:
        """A count of tokens; absent is 0."""
        if value in (None, ""):
            return 0
        try:
            number = Decimal(str(value))
        except InvalidOperation as error:
            raise self.wrong(field, value, "whole number") from error
        if not number.is_finite() or number < 0 or number != number.to_integral_value():
            raise self.wrong(field, value, "whole number of 0 or more")
        return int(number)

    def decimal(self, field: str, value: object) -> Decimal:
        """An amount or a quantity, as exact as it is written."""
        try:
            number = Decimal(str(value))
        except InvalidOperation as error:
            raise self.wrong(field, value, "decimal number with a point") from error
        if not number.is_finite():
            raise self.wrong(field, value, "decimal number")
        return number

    def day(self, field: str, value: object) -> str:
        """The day in UTC of an RFC 3339 time, Unix seconds, a date, or MM/DD/YYYY."""
        text = str(value).strip()
        try:
            if text.isascii() and text.isdigit():
                return datetime.fromtimestamp(int(text), UTC).date().isoformat()
            if text.count("/") == 2:  # noqa: PLR2004 - a date of the United States
                month, day, year = (int(part) for part in text[:10].split("/"))
                return date(year, month, day).isoformat()
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError) as error:
            raise self.wrong(field, value, "date or time") from error
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return moment.date().isoformat()


def picounits(amount: Decimal) -> int:
    """The amount in picounits; providers give floats, so what is finer is rounded."""
    return int((amount * PICO).to_integral_value(ROUND_HALF_EVEN))


def csv_rows(
    file: str, text: str, *, needed: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[Place, dict[str, str]]]:
    """Each row by the names in `needed`, of which each has the headings that providers use.

    Headings are compared without regard to case. A name that begins with `?` may be absent.

    Raises:
        InvoiceError: a column is missing, or a row has not as many cells as the heading.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        heading = next(reader, [])
        found = _columns(file, heading, needed)
        for cells in reader:
            if not cells:
                continue
            place = Place(file, f"line {reader.line_num}")
            if len(cells) != len(heading):
                raise InvoiceError(
                    f"{file}: {place.where} has {len(cells)} cells, the heading {len(heading)}: "
                    "give the file as the provider exports it"
                )
            yield place, {name: cells[column].strip() for name, column in found.items()}
    except csv.Error as error:
        raise InvoiceError(f"{file}: line {reader.line_num} is no CSV ({error})") from error


def _columns(
    file: str, heading: list[str], needed: Mapping[str, tuple[str, ...]]
) -> dict[str, int]:
    places = {title.strip().lower(): index for index, title in reversed([*enumerate(heading)])}
    found: dict[str, int] = {}
    for name, titles in needed.items():
        column = next((places[title.lower()] for title in titles if title.lower() in places), None)
        if column is not None:
            found[name.removeprefix("?")] = column
        elif not name.startswith("?"):
            raise InvoiceError(
                f"{file}: line 1: no column {' or '.join(titles)}: is it the right --provider, and "
                "the export with details?"
            )
    return found


def pages(file: str, text: str) -> list[dict[str, Any]]:
    """The pages of a JSON answer: one object, or a list of them.

    Raises:
        InvoiceError: it is something else.
    """
    try:
        said = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InvoiceError(
            f"{file}: line {error.lineno}, column {error.colno}: no JSON ({error.msg})"
        ) from error
    found = said if isinstance(said, list) else [said]
    for page in found:
        if not isinstance(page, dict) or not isinstance(page.get("data"), list):
            raise InvoiceError(
                f"{file}: no `data` list: give the answer of the provider's API as it came"
            )
    return found


def results(file: str, text: str) -> Iterator[tuple[Place, dict[str, Any], dict[str, Any]]]:
    """Each result of each bucket, with the bucket that it is in.

    Raises:
        InvoiceError: it is not built like that.
    """
    for page in pages(file, text):
        for number, bucket in enumerate(page["data"]):
            listed = bucket.get("results") if isinstance(bucket, dict) else None
            if not isinstance(listed, list):
                raise InvoiceError(f"{file}: data[{number}] has no `results` list")
            for index, result in enumerate(listed):
                place = Place(file, f"data[{number}].results[{index}]")
                if not isinstance(result, dict):
                    raise InvoiceError(f"{file}: {place.where} is no object")
                yield place, bucket, result


def more_follows(file: str, text: str) -> bool:
    """True where the last page says that another one follows."""
    found = pages(file, text)
    return bool(found and found[-1].get("has_more"))
