"""Exports of each provider become the same kind of line."""

import gzip
import json
from pathlib import Path

import pytest
from invoices import samples

from bailiwick_contract.money import pico
from bailiwick_sidecar.invoices.formats import READERS, read_files
from bailiwick_sidecar.invoices.model import Billed, InvoiceError

MINI = "gpt-5-mini-2025-08-07"
SONNET = "claude-sonnet-4-20250514"
FRIDAY = "2025-11-21"


def lines(provider: str, text: str) -> list[Billed]:
    return list(READERS[provider]("f", text).lines)


@pytest.mark.parametrize("text", [samples.page(samples.used()), samples.OPENAI_USAGE_CSV])
def test_openais_usage(text: str) -> None:
    """From the API and from the dashboard; an hour without calls is no line."""
    assert lines("openai", text) == [Billed(FRIDAY, MINI, "key_1", 800, 100, 200)]


def test_openais_audio_is_in_the_tokens_or_beside_them() -> None:
    """Beside them where the answer does not tell text apart."""
    [old] = lines("openai", samples.page(samples.used(input_audio_tokens=50)))
    new = samples.used(input_audio_tokens=50, input_text_tokens=750)
    assert (old.input, lines("openai", samples.page(new))[0].input) == (850, 800)


def test_openais_costs() -> None:
    """By line item; what is finer than a picounit is rounded."""
    made = [samples.charged(0.003), samples.charged("0.00200000000000000012", f"{MINI}, output")]
    expected = [
        Billed(FRIDAY, MINI, cost=pico(amount), currency="USD") for amount in ("0.003", "0.002")
    ]
    assert lines("openai", samples.page(*made)) == expected
    assert lines("openai", samples.OPENAI_COSTS_CSV) == expected


def test_anthropics_usage_and_cost() -> None:
    """Parts of the input add up; amounts are cents."""
    assert lines("anthropic", samples.report(samples.ANTHROPIC_USED)) == [
        Billed(FRIDAY, SONNET, "apikey_1", 800, 100, 200)
    ]
    search = {"amount": "1", "currency": "USD", "model": None, "description": "Web Search Usage"}
    assert lines("anthropic", samples.report(samples.ANTHROPIC_CHARGED, search)) == [
        Billed(FRIDAY, SONNET, cost=pico("0.005"), currency="USD"),
        Billed(FRIDAY, "Web Search Usage", cost=pico("0.01"), currency="USD"),
    ]


def test_azures_meters() -> None:
    """Model and kind of token come from the meter's name, the key from the resource."""
    export = READERS["azure"]("f", samples.AZURE.removeprefix("\ufeff"))
    common = {"day": FRIDAY, "model": "gpt-5-mini", "key": "ours", "currency": "EUR"}
    assert export.skipped == 1
    assert list(export.lines) == [
        Billed(**common, input=700, cached_input=0, output=0, cost=pico("0.002")),
        Billed(**common, input=100, cached_input=100, output=0, cost=pico("0.001")),
        Billed(**common, input=0, cached_input=0, output=200, cost=pico("0.002")),
    ]


def test_awss_line_items() -> None:
    """All four kinds of token; taxes and other products are skipped; both headings."""
    export = READERS["aws-cur"]("f", samples.AWS)
    assert export.skipped == 2
    assert {line.model for line in export.lines} == {"Claude4Sonnet"}
    sums = [
        sum(getattr(line, name) for line in export.lines)
        for name in ("input", "cached_input", "output", "cost")
    ]
    assert sums == [800, 100, 200, pico("0.00528")]
    [nova] = lines("aws-cur", samples.AWS_CUR_2)
    assert (nova.model, nova.output, nova.cost) == ("Nova", 1_000_000, pico("0.1"))


def test_files_are_read_together(tmp_path: Path) -> None:
    """Packed or not, with a byte order mark or without; a page that is the last says so."""
    (tmp_path / "a.csv").write_text(samples.AZURE)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(samples.AZURE.replace("0.7", "0.6").encode()))
    export, mark = read_files("azure", [tmp_path / "a.csv", tmp_path / "b.csv.gz"])

    assert (len(export.lines), export.skipped, export.more) == (6, 2, False)
    assert mark.startswith("azure ")
    (tmp_path / "p.json").write_text(samples.page(samples.used(), has_more=True))
    assert read_files("openai", [tmp_path / "p.json"])[0].more


HEADING = samples.OPENAI_COSTS_CSV.split("\n", 1)[0]


@pytest.mark.parametrize(
    ("provider", "text", "says"),
    [
        ("openai", "{", r"f.json: line 1, column 2: no JSON"),
        ("openai", "[1]", "no `data` list"),
        ("openai", json.dumps({"data": [{"start_time": 1}]}), r"data\[0\] has no `results`"),
        (
            "openai",
            samples.page(samples.used(None)),
            r"results\[0\] names no model",
        ),
        ("openai", samples.page(samples.used(input_tokens=-1)), r"input_tokens: -1 is no whole"),
        (
            "openai",
            samples.page(samples.used(output_tokens="x")),
            r"output_tokens: .x. is no",
        ),
        ("openai", samples.page(samples.used(), start="soon"), "'soon' is no date or time"),
        ("openai", samples.page(samples.charged(1, None)), "group_by=line_item"),
        ("openai", samples.page(samples.charged("NaN")), "amount.value: 'NaN'"),
        ("openai", "a,b\n1,2\n", "line 1: no column start_time or start_time_iso"),
        ("openai", f"{HEADING}\n1,2\n", "line 2 has 2 cells, the heading 9"),
        ("openai", f'{HEADING}\n"1\n', "is no CSV"),
        ("openai", samples.OPENAI_COSTS_CSV.replace("0.003", "0,003"), "line 2 has 10 cells"),
        ("openai", samples.OPENAI_COSTS_CSV.replace("0.003", "3 cents"), "line 2, amount_value"),
        ("openai", samples.page(), "no line of openai's models"),
        ("anthropic", samples.report({"output_tokens": 1}), r"group_by\[\]=model"),
        ("anthropic", samples.report({"amount": "1"}), r"group_by\[\]=description"),
        (
            "anthropic",
            samples.report({**samples.ANTHROPIC_USED, "cache_creation": 3}),
            "cache_creation: 3 is no object",
        ),
        ("azure", samples.AWS, "no column Date"),
        ("azure", samples.AZURE.replace("1K", "a lot"), "UnitOfMeasure: 'a lot'"),
        ("azure", samples.AZURE.replace("11/21/2025", "21/11/2025"), "is no date or time"),
        ("aws-cur", samples.AZURE, "is it the right --provider"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, provider: str, text: str, says: str) -> None:
    """Line or place, field, value, and what to do."""
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(InvoiceError, match=says):
        read_files(provider, [tmp_path / "f.json"])


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, binary, cut short, too large once unpacked, or the same one twice."""
    whole = gzip.compress(samples.AZURE.encode())
    (tmp_path / "d").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "e").write_bytes(b"\x1f\x8b" + b"x" * 40)
    (tmp_path / "f").write_bytes(whole)
    for name in ("d", "e"):
        with pytest.raises(InvoiceError, match="can't be read"):
            read_files("azure", [tmp_path / name])
    monkeypatch.setattr("bailiwick_sidecar.invoices.fields.LARGEST", 100)
    with pytest.raises(InvoiceError, match="larger than 1 GiB"):
        read_files("azure", [tmp_path / "f"])
    monkeypatch.undo()
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    (tmp_path / "c").write_text(samples.page(samples.used()))
    with pytest.raises(InvoiceError, match="can't be read"):
        read_files("openai", [tmp_path / "a"])
    with pytest.raises(InvoiceError, match="byte 0 is no UTF-8"):
        read_files("openai", [tmp_path / "b"])
    with pytest.raises(InvoiceError, match="give each once"):
        read_files("openai", [tmp_path / "c", tmp_path / "c"])
