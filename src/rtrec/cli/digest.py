"""`rtrec digest`: whether two folders hold the same state."""

from pathlib import Path

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid


@click.command("digest")
@options.data_to_read
@options.config
@options.as_json
def command(data: Path | None, config: Path | None, *, as_json: bool) -> None:
    """SHA-256 over a folder's canonical state, whole and by part.

    Two folders that were fed the same events have the same digest, whatever kills and batches lay between.
    """
    from rtrec.cli.folder import reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        found = reader.digest()
    rows = [["whole", found["digest"]], *found["parts"].items()]
    emit(found, lambda: [grid("digest", ("part", "SHA-256"), rows)], as_json=as_json)
