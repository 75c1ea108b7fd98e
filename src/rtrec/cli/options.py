"""Options that commands share, and the settings they lead to."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from rtrec.events.schema import MAX_TS_MS, MIN_TS_MS
from rtrec.settings import Settings
from rtrec.settings_io import SettingsError, load

config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Settings; rtrec.toml of the working directory if not given.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout; so it is anyway where stdout is no terminal."
)
data_to_work_on = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Data folder; made if it is not there.",
)
data_to_read = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Data folder; without it the cluster that RTREC_KAFKA and RTREC_REDIS name.",
)
at_ms = click.option(
    "--at-ms",
    type=click.IntRange(MIN_TS_MS, MAX_TS_MS),
    default=None,
    help="As of when, epoch milliseconds; if not given, now where a server runs on the folder, else the newest event.",
)
TIME: Final = click.IntRange(MIN_TS_MS, MAX_TS_MS)


def settings_of(path: Path | None, given: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """The settings in force; wrong usage, with every fault, where there are faults. given: see `settings_io.load`."""
    try:
        return load(path, os.environ, given)
    except SettingsError as error:
        raise click.UsageError("\n".join(["settings:", *(f"  {fault}" for fault in error.faults)])) from None


def require_cluster(settings: Settings) -> None:
    """Wrong usage where no cluster is configured."""
    missing = [
        name
        for name, set_ in (("RTREC_KAFKA", settings.kafka.bootstrap), ("RTREC_REDIS", settings.redis.url))
        if not set_
    ]
    if missing:
        raise click.UsageError(
            f"{' and '.join(missing)} must be set (or kafka.bootstrap and redis.url): this works on a cluster. "
            "`make services` starts a local one and writes .services/env"
        )
