"""What a command prints: JSON for programs, tables for people."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click
import msgspec
from rich.console import Console, RenderableType
from rich.table import Table

Document = dict[str, Any]


def emit(document: object, shown: Callable[[], Iterable[RenderableType]], *, as_json: bool) -> None:
    """Print one JSON document, or on a terminal, unless asked for JSON, what `shown` gives."""
    if as_json or not sys.stdout.isatty():
        click.echo(msgspec.json.encode(document))
        return
    console = Console(highlight=False, markup=False)  # ids are no markup
    for part in shown():
        console.print(part)


def grid(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A table: the first column names, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*map(worded, row))
    return table


def worded(value: object) -> str:
    r"""A value for people: grouped figures, and nothing in a text that would steer a terminal.

    >>> worded(1234567), worded(0.123456), worded(None), worded(True)
    ('1,234,567', '0.1235', '–', 'yes')
    >>> worded("a\x1b[2J")
    'a·[2J'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.1f}"
    if value is None or value == "":
        return "–"
    return "".join(one if one.isprintable() else "·" for one in str(value))
