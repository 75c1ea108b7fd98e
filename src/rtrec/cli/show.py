"""`rtrec show`: one anchor's or user's record, as the API answers it."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import RenderableType

from rtrec.cli import options
from rtrec.cli.output import Document, emit, grid, worded


@click.group("show")
def command() -> None:
    """What is known of one anchor or user."""


@command.command("anchor")
@click.argument("anchor_id", metavar="ID")
@options.data_to_read
@options.at_ms
@options.config
@options.as_json
def anchor(anchor_id: str, data: Path | None, at_ms: int | None, config: Path | None, *, as_json: bool) -> None:
    """An anchor's counters, heat and room.

    The same JSON as GET /v1/anchors/{id}.
    """
    from rtrec.cli.folder import default_time, reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        found = reader.serving.anchor(anchor_id, default_time(reader) if at_ms is None else at_ms)
    if found is None:
        raise click.ClickException(f"no anchor {anchor_id}")
    emit(found, lambda: anchor_tables(found), as_json=as_json)


@command.command("user")
@click.argument("user_id", metavar="ID")
@options.data_to_read
@options.at_ms
@options.config
@options.as_json
def user(user_id: str, data: Path | None, at_ms: int | None, config: Path | None, *, as_json: bool) -> None:
    """A user's views, familiarity, tastes and spend.

    The same JSON as GET /v1/users/{id}.
    """
    from rtrec.cli.folder import default_time, reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        found = reader.serving.user(user_id, default_time(reader) if at_ms is None else at_ms)
    if found is None:
        raise click.ClickException(f"no user {user_id}")
    emit(found, lambda: user_tables(found), as_json=as_json)


def anchor_tables(record: Document) -> Iterator[RenderableType]:
    """An anchor for people: its room, its windows, what its heat is made of."""
    room = f"live in {worded(record['live_id'])}" if record["live"] else "not live"
    name, category = worded(record["anchor_id"]), worded(record["category"])
    yield f"{name}: {room}, category {category}, {record['viewers']:,} viewers"
    yield f"as of {record['as_of_ms']} ms, state {record['state']}, attributes {record['attributes']}"
    windows = record["windows"]
    columns = ("metric", *next(iter(windows.values())))
    yield grid("in the last", columns, ([metric, *by.values()] for metric, by in windows.items()))
    heat = record["heat"]
    names = ("metric", "half_life", "weight", "value", "contribution")
    title = f"heat {worded(heat['score'])}, rank {worded(heat['rank'])}"
    yield grid(title, names, ([term[name] for name in names] for term in heat["terms"]))


def user_tables(record: Document) -> Iterator[RenderableType]:
    """A user for people."""
    yield f"{worded(record['user_id'])}: as of {record['as_of_ms']} ms, attributes {record['attributes']}"
    yield f"gifts: {', '.join(f'{value:,} in {window}' for window, value in record['gift_value'].items())}"
    follows, blocked = (worded(", ".join(record[name])) for name in ("follows", "blocked"))
    yield f"follows {follows}; blocks {blocked}"
    for name, title in (("tastes", "tastes"), ("familiarity", "familiar anchors"), ("recent_views", "recent views")):
        rows = record[name]
        if rows:
            yield grid(title, rows[0], (row.values() for row in rows))
