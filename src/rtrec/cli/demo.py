"""`rtrec demo`: the embedded system with a simulated platform around it, on one screen."""

import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec
from rich.console import Console

from rtrec.cli import options
from rtrec.simulator.client import ApiError
from rtrec.simulator.demonstration import Summary, demo_config, run, summary_lines
from rtrec.simulator.screen import incident_line
from rtrec.simulator.server import Server, ServerError, free_port


@click.command("demo")
@click.option("--seconds", type=click.FloatRange(min=1), default=None, help="How long; until Ctrl-C if not given.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=None, help="Data folder; a temporary one if not given."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="A free one if taken.")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="Settings of the server; configs/demo.toml if not given.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON document; the rest on stderr.")
def command(seconds: float | None, data: Path | None, port: int, config: Path | None, *, as_json: bool) -> None:
    """Start everything with simulated people: watch it learn, and see four incidents through."""
    config = config or demo_config()
    options.settings_of(config)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with ExitStack() as stack:
        if data is None:
            data = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="rtrec-demo-", ignore_cleanup_errors=True))
            )
        data.mkdir(parents=True, exist_ok=True)
        try:
            summary = run(Server(data, free_port(port), config), console, seconds)
        except (ServerError, ApiError, OSError) as error:
            raise click.ClickException(str(error)) from error
    _report(summary, console, as_json=as_json)
    sys.exit(0 if summary.ok else 1)


def _report(summary: Summary, console: Console, *, as_json: bool) -> None:
    if as_json:
        incidents = [outcome._asdict() for outcome in summary.incidents]
        click.echo(msgspec.json.encode(summary._asdict() | {"incidents": incidents}))
        return
    console.print()
    for outcome in summary.incidents:
        console.print(incident_line(outcome))
    for line in summary_lines(summary):
        console.print(line)
