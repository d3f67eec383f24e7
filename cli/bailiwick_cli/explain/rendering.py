"""An explanation for people: plain text where it is no terminal."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bailiwick_cli.console import new_table, show_table
from bailiwick_cli.explain.facts import Backend, Explanation, Limit, Obstacle
from bailiwick_cli.problems import counted

NONE: Final = "\N{EN DASH}"
NUMBERS: Final = frozenset(
    {"share", "priority", "in/M", "out/M", "a call", "reserves", "at most", "amount", "this call",
     "such calls"}
)  # fmt: skip


def show_explanation(explanation: Explanation, *, console: Console) -> None:
    """Who calls, where it goes, what it reserves, which limits it meets, and what refuses it."""
    for line in _opening(explanation):
        console.print(line)
    if explanation.backends:
        _heading(console, "Backends, in the order in which they are tried")
        show_table(_backends(explanation))
        for backend in explanation.backends:
            if backend.left_out is not None:
                _obstacle(console, backend.left_out, f"{backend.name} is left out")
        console.print()
        for line in _cost(explanation):
            console.print(line)
    if explanation.limits:
        _heading(console, "Limits that apply, the smallest of each kind first")
        show_table(_limits(explanation))
        console.print(
            Text("* smallest of its kind; ** full first, if such calls came at once", style="dim")
        )
    console.print()
    if explanation.refused:
        for obstacle in explanation.refused:
            _obstacle(console, obstacle, "refused")
    else:
        console.print(Text("This call would pass while nothing is in use.", style="bold green"))


def _opening(explanation: Explanation) -> Iterator[Text]:
    asked = explanation.asked
    who = [f"user {asked.user}", f"team {asked.team}"]
    if asked.project:
        who.append(f"project {asked.project}")
    if explanation.cost_center:
        who.append(f"cost centre {explanation.cost_center}")
    yield _pair("caller", f"{', '.join(who)} of tenant {explanation.tenant}")
    route = f"ModelRoute {explanation.namespace}/{explanation.route}"
    yield _pair("model", f"{asked.model} → {route if explanation.route else 'no route'}")


def _cost(explanation: Explanation) -> Iterator[Text]:
    asked = explanation.asked
    wanted = None if asked.tokens is None else asked.tokens * asked.count
    said = "as asked for"
    if wanted is None:
        said = "by default"
    elif explanation.output_tokens != wanted:
        said = f"capped, {wanted} asked for"
    output = explanation.output_tokens
    tokens = f"{output} output tokens ({said})" if output else "no output tokens"
    many = f", {asked.count} wanted" if asked.count > 1 else ""
    yield _pair("call", f"/v1/{asked.endpoint}: {asked.size} bytes in, {tokens}{many}")
    usable = sum(backend.left_out is None for backend in explanation.backends)
    tries = min(explanation.max_attempts, usable)
    yield _pair(
        "at most", f"{explanation.worst_cost} {explanation.currency} in {counted(tries, 'attempt')}"
    )


def _backends(explanation: Explanation) -> Table:
    table = _table(
        "backend", "priority", "share", "tier", "region", "provider", "model", "price source",
        "in/M", "out/M", "a call", "reserves", "at most",
    )  # fmt: skip
    for backend in explanation.backends:
        table.add_row(
            backend.name, str(backend.priority), _share(backend), backend.tier, backend.region,
            backend.provider, backend.model, backend.price_source or "unpriced",
            backend.input_per_million or NONE, backend.output_per_million or NONE,
            backend.per_call or NONE,
            f"{backend.reserved_input_tokens}+{backend.reserved_output_tokens}",
            f"{backend.reserved_cost} {explanation.currency}",
        )  # fmt: skip
    return table


def _share(backend: Backend) -> str:
    return NONE if backend.left_out is not None else f"{backend.share:g}%"


def _limits(explanation: Explanation) -> Table:
    table = _table("", "limit", "amount", "this call", "such calls", "of", "written in", "field")
    for limit in explanation.limits:
        cells = (
            _mark(limit),
            limit.kind + (" (Shadow)" if limit.shadow else ""),
            limit.amount,
            limit.needs,
            "any" if limit.calls is None else str(limit.calls),
            _subject(limit),
            limit.written.resource,
            limit.written.field,
        )
        # Square brackets of a field path mean themselves.
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _mark(limit: Limit) -> str:
    return "**" if limit.decides else "*" if limit.smallest else ""


def _subject(limit: Limit) -> str:
    said = " ".join(f"{name}={value}" for name, value in limit.subject) or "everyone"
    return f"{said} (at {', '.join(limit.backends)})" if limit.backends else said


def _table(*columns: str) -> Table:
    return new_table(*columns, right=NUMBERS)


def _obstacle(console: Console, obstacle: Obstacle, opening: str) -> None:
    text = Text.assemble(
        (f"{opening}: ", "bold red"), f"{obstacle.status} {obstacle.code}: {obstacle.message}"
    )
    text.append(f"\n  fix: {obstacle.cure}", style="default")
    console.print(text)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _pair(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<8}", "bold"), value)
