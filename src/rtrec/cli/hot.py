"""`rtrec hot`: the heat board of a data folder."""

from pathlib import Path

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid

COLUMNS = ("anchor_id", "live_id", "category", "heat", "viewers")


@click.command("hot")
@options.data_to_read
@click.option("--n", type=click.IntRange(1, 1_000), default=10, show_default=True, help="How many at most.")
@options.at_ms
@options.config
@options.as_json
def command(data: Path | None, n: int, at_ms: int | None, config: Path | None, *, as_json: bool) -> None:
    """The heat board: live anchors, hottest first.

    The same JSON as GET /v1/hot.
    """
    from rtrec.cli.folder import default_time, reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        board = reader.serving.hot(n, at_ms=default_time(reader) if at_ms is None else at_ms)
    rows = ([one[name] for name in COLUMNS] for one in board["anchors"])
    emit(board, lambda: [grid(f"as of {board['as_of_ms']} ms", COLUMNS, rows)], as_json=as_json)
