"""Where the command speaks: results on stdout, everything else on stderr."""

import sys
from collections.abc import Collection
from functools import cache

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bailiwick_contract.errors import BailiwickError

WIDEST = 1000


@cache
def out() -> Console:
    """Results. Plain text where it is no terminal."""
    return Console(highlight=False, soft_wrap=True)


@cache
def err() -> Console:
    """Progress, warnings and errors. Plain text where it is no terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def new_table(*columns: str, right: Collection[str] = ()) -> Table:
    """A table without rows, in the form that all have; `right` names the columns of figures."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def show_table(table: Table) -> None:
    """The table is on stdout in full width: a narrow terminal breaks lines, never cells.

    No line ends in blanks, which a narrow terminal would show as lines of their own.
    """
    wide = Console(highlight=False, width=WIDEST)
    needed = Measurement.get(wide, wide.options, table).maximum
    console = Console(highlight=False, width=max(needed, out().width))
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def say_error(error: BailiwickError) -> None:
    """The error's message is on stderr; square brackets in it mean themselves."""
    err().print(Text("error: ", style="bold red").append(str(error), style="default"))


def warn(message: str) -> None:
    """The warning is on stderr."""
    err().print(Text("warning: ", style="bold yellow").append(message, style="default"))


def note(message: str) -> None:
    """One line of progress is on stderr."""
    err().print(Text(message))
