"""`rtrec config`: which settings are in force, and every fault of those that cannot be."""

import os
from pathlib import Path

import click
import msgspec

from rtrec.cli import options
from rtrec.cli.output import emit
from rtrec.settings_io import SettingsError, as_toml, load, masked


@click.group("config")
def command() -> None:
    """The settings in force, and what is wrong with them."""


@command.command("show")
@options.config
@click.option("--explain", is_flag=True, help="With what each setting means.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def show(config: Path | None, *, explain: bool, as_json: bool) -> None:
    """Print every setting in force, as TOML that can be a configuration file; secrets as stars."""
    settings = masked(options.settings_of(config))
    click.echo(msgspec.json.encode(settings) if as_json else as_toml(settings, explained=explain).rstrip())


@command.command("check")
@options.config
@options.as_json
def check(config: Path | None, *, as_json: bool) -> None:
    """Say every fault of the settings; exit code 2 if there is one."""
    faults = []
    try:
        load(config, os.environ)
    except SettingsError as error:
        faults = error.faults
    emit({"ok": not faults, "faults": faults}, lambda: faults or ["the settings are fine"], as_json=as_json)
    if faults:
        raise SystemExit(2)
