"""No command without its page: the table, the modules and docs/commands.md say the same."""

from pathlib import Path

import click
import pytest

from rtrec import cli, docs

PAGE = (docs.ROOT / "docs/commands.md").read_text(encoding="utf-8")


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found += commands(inner, f"{path} {name}")
    return found


EVERY = commands(cli.main, "rtrec")


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[path for path, _ in EVERY])
def test_a_command_has_its_section_and_every_option_its_meaning(path: str, command: click.Command) -> None:
    assert f"\n## {path}\n" in PAGE
    section = PAGE.split(f"\n## {path}\n", 1)[1].split("\n## ", 1)[0]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.name}"
            assert parameter.opts[0] in section


def test_every_command_of_the_contract_is_there() -> None:
    """The embedded ones; the cluster's, the batch model's and the operators' come with their issues."""
    contract = {
        "up",
        "demo",
        "replay",
        "evaluate",
        "show",
        "hot",
        "digest",
        "simulate",
        "deadletters",
        "config",
        "mapping",
        "model",
        "topics",
        "stage",
        "serve",
        "rebuild",
    }
    assert {path.split()[1] for path, _ in EVERY[1:]} == contract


def test_a_module_that_defines_a_command_is_in_the_table() -> None:
    """A command's file that nobody registered would be a command that nobody finds."""
    folder = Path(cli.__file__).parent
    defining = {file.stem for file in folder.glob("*.py") if "\ndef command(" in file.read_text(encoding="utf-8")}
    assert defining == set(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_tables_short_help_is_the_commands_own_first_line(name: str) -> None:
    """`rtrec --help` reads the table alone, so that it need import nothing."""
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    assert (command.help or "").split("\n", 1)[0] == cli.COMMANDS[name]
