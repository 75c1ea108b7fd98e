"""`rtrec deadletters`: what was refused, why, and sending it again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid

if TYPE_CHECKING:
    from rtrec.cli.folder import Readable

PAGE = 500
SHOWN_CHARS = 60


@click.group("deadletters")
def command() -> None:
    """Events that were refused: look at them, and send them again."""


@command.command("list")
@options.data_to_read
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option("--offset", type=click.IntRange(min=0), default=None, help="The first one; the oldest if not given.")
@options.config
@options.as_json
def list_letters(data: Path | None, limit: int, offset: int | None, config: Path | None, *, as_json: bool) -> None:
    """Refused events with reason, origin and the original's beginning, oldest first."""
    from rtrec.cli.folder import reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        letters = reader.dead_letters(limit, offset)
    rows = ([one["offset"], one["reason"], one["length"], one["original"][:SHOWN_CHARS]] for one in letters)
    columns = ("offset", "reason", "bytes", "original")
    emit({"dead_letters": letters}, lambda: [grid("dead letters", columns, rows)], as_json=as_json)


@command.command("requeue")
@click.argument("offsets", metavar="OFFSET...", type=click.IntRange(min=0), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every one that was kept whole.")
@options.data_to_read
@options.config
@options.as_json
def requeue(
    offsets: tuple[int, ...], data: Path | None, config: Path | None, *, everything: bool, as_json: bool
) -> None:
    """Send refused events through the stages again, by the offsets that `list` shows.

    What is refused again becomes a new dead letter; one that was kept in part cannot be sent.
    """
    from rtrec.cli.folder import reading, working  # noqa: PLC0415 - loads the runtime: not for help

    if everything == bool(offsets):
        raise click.UsageError("name offsets, or give --all")
    settings = options.settings_of(config)
    with reading(data, settings) as reader:
        report = reader.requeue(_whole_ones(reader) if everything else list(offsets))
        served = reader.served
    if not served and data is not None:  # a server takes them from its log by itself
        with working(data, settings) as host:
            host.drain()
    refused = ([one["offset"], one["reason"]] for one in report["refused"])
    title = f"{report['requeued']:,} requeued, {len(report['refused']):,} refused"
    emit(report, lambda: [grid(title, ("offset", "reason"), refused)], as_json=as_json)
    if report["refused"]:
        raise SystemExit(1)


def _whole_ones(reader: "Readable") -> list[int]:
    """Offsets of every dead letter that can be sent again."""
    offsets: list[int] = []
    page = reader.dead_letters(PAGE)
    while page:
        offsets += [one["offset"] for one in page if one["whole"]]
        page = reader.dead_letters(PAGE, page[-1]["offset"] + 1)
    return offsets
