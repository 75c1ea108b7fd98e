"""The command `rtrec`: one file per command, imported when that command is meant and not before.

Rules
-----
- `COMMANDS` is the table of commands with their short help; a test holds it against the commands themselves.
- What needs numba or a server is imported within a command's body: help comes at once.
- Exit codes: 0 done, 1 failed at run time, 2 wrong usage or configuration, 3 a check says no.
- Data goes to stdout, everything else to stderr. It is one JSON document with `--json`, or where stdout is no
  terminal; tables are for people.
"""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "up": "Serve a data folder: log, all stages and the API in one process.",
    "demo": "Start everything with simulated people: watch it learn, and see four incidents through.",
    "replay": "Feed stored events through the same stages as live ones, and drain them.",
    "evaluate": "How well each head is predicted on a stored log, every example before it is learned from.",
    "show": "What is known of one anchor or user.",
    "hot": "The heat board: live anchors, hottest first.",
    "digest": "SHA-256 over a folder's canonical state, whole and by part.",
    "serve": "The API of a cluster: scores from memory, events into Kafka.",
    "stage": "One stage of a cluster, on Kafka, Faust and Redis, until it is told to end.",
    "rebuild": "Recompute stages' state from their own stored input, up to where they stood.",
    "simulate": "Write a synthetic platform's events: rooms, feeds, clicks by taste, views, gifts.",
    "deadletters": "Events that were refused: look at them, and send them again.",
    "model": "The models that serve, and the learner's circuit breaker.",
    "mapping": "Mappings of source topics into our events, and what they make of messages.",
    "topics": "The topics of a cluster: make what is missing, see what stands otherwise.",
    "config": "The settings in force, and what is wrong with them.",
}


class Lazy(click.Group):
    """A group that imports a command's module, `rtrec.cli.NAME`, when the command is meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None for an unknown one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"rtrec.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="rtrec-live", prog_name="rtrec")
def main() -> None:
    """A live platform's ranking that learns from every event.

    Settings come from built-in defaults, then rtrec.toml in the working directory (or --config FILE), then
    RTREC_… environment variables.
    """
