"""`rtrec replay`: stored events through the same stages as live ones.

Rules
-----
- Sources are replayed one after another; each goes on where an earlier run of this folder stopped.
- Every source is opened before the first is read: a wrong name stops before anything is stored.
- Progress goes to stderr: a moving line on a terminal, else a line every few seconds.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rtrec.cli import options
from rtrec.cli.output import Document, emit, grid
from rtrec.sources.formats import FORMATS, open_source
from rtrec.sources.source import Source, SourceError

LINE_EVERY_S: Final = 5.0
MORE_EVERY_S: Final = 1.0
SUMMED: Final = ("events", "accepted", "rejected", "duplicates", "dead_letters", "seconds")


def speed_of(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """None for `max`, else how many times faster than the events' own times."""
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"expected max or a number above 0, got {value}", ctx, param)
    return speed


@click.command("replay")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@options.data_to_work_on
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="events", show_default=True,
    help="What the sources are; `events` is JSON Lines, plain, .gz or .zst, - for standard input.",
)  # fmt: skip
@click.option(
    "--speed", metavar="max|N", callback=speed_of, default="max", show_default=True, help="Times the events' own pace."
)
@click.option("--until-ms", type=options.TIME, default=None, help="Stop before the first later event.")
@options.config
@options.as_json
def command(
    sources: tuple[str, ...], data: Path, format_: str, speed: float | None, until_ms: int | None,
    config: Path | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Feed stored events through the same stages as live ones, and drain them.

    The folder keeps the position reached in each source: a second run, one after a kill, or one over a grown file
    continues. Ends with a report of this run.
    """
    from rtrec.cli.folder import working  # noqa: PLC0415 - loads the runtime: not for help

    settings = options.settings_of(config)
    opened = open_all(format_, sources)
    reports = []
    with working(data, settings) as host:
        for source in opened:
            with progress(source.path) as told:
                reports.append(host.replay(source, until_ms=until_ms, speed=speed, progress=told))
    report = summed(reports)
    emit(report, lambda: [grid("replayed", ("figure", "value"), report.items())], as_json=as_json)


def open_all(format_: str, paths: tuple[str, ...]) -> list[Source]:
    """Every source, before the first is read; exit code 1 where one cannot be."""
    try:
        return [open_source(format_, path) for path in paths]
    except (SourceError, OSError) as error:
        raise click.ClickException(str(error)) from error


def summed(reports: list[Document]) -> Document:
    """One report of several, in the contract's shape.

    >>> summed([{"events": 2, "accepted": 2, "rejected": 0, "duplicates": 0, "dead_letters": 0, "seconds": 0.5,
    ...          "first_ts_ms": 7, "last_ts_ms": 9, "events_per_second": 4.0}] * 2)["events_per_second"]
    4.0
    """
    total: Document = {name: sum(report[name] for report in reports) for name in SUMMED}
    seconds = total.pop("seconds")
    firsts = [report["first_ts_ms"] for report in reports if report["first_ts_ms"] is not None]
    lasts = [report["last_ts_ms"] for report in reports if report["last_ts_ms"] is not None]
    return total | {
        "first_ts_ms": min(firsts, default=None),
        "last_ts_ms": max(lasts, default=None),
        "seconds": seconds,
        "events_per_second": total["events"] / seconds if seconds else 0.0,
    }


@contextmanager
def progress(name: str, more: Callable[[], str] = lambda: "") -> Iterator[Callable[[int], None]]:
    """A function to call with the number of events done so far. more: what else to say, asked now and then."""
    if not sys.stderr.isatty():
        yield _lines(name, more)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield _moving(name, more, lambda done, text: bar.update(task, completed=done, description=text))


def _moving(name: str, more: Callable[[], str], show: Callable[[int, str], None]) -> Callable[[int], None]:
    said_s, text = -MORE_EVERY_S, name

    def told(done: int) -> None:
        nonlocal said_s, text
        now_s = time.monotonic()
        if now_s - said_s >= MORE_EVERY_S:
            said_s, text = now_s, f"{name} {more()}".rstrip()
        show(done, text)

    return told


def _lines(name: str, more: Callable[[], str]) -> Callable[[int], None]:
    started_s = said_s = time.monotonic()

    def told(done: int) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= LINE_EVERY_S:
            said_s = now_s
            click.echo(f"{name}: {done:,} events, {done / (now_s - started_s):,.0f}/s {more()}".rstrip(), err=True)

    return told
