"""`rtrec stage`: one worker of one stage, as `faust -A streams.STAGE worker` starts it."""

import os
from pathlib import Path
from typing import Final

import click

from rtrec.cli import options

STAGES: Final = ("ingest", "heat", "profile", "label", "learn", "archive")


@click.command("stage")
@click.argument("name", metavar="STAGE", type=click.Choice(STAGES))
@click.option(
    "--instance", metavar="NAME", default=None,
    help="Static membership under this name, one of a kind in the stage: a restart within the session timeout moves no "
    "partition.",
)  # fmt: skip
@options.config
def command(name: str, instance: str | None, config: Path | None) -> None:
    """One stage of a cluster, on Kafka, Faust and Redis, until it is told to end.

    STAGE is ingest, heat, profile, label, learn or archive. Any number of workers of a stage share its partitions.
    SIGTERM ends it within 10 seconds: the turns at hand are committed, the rest is left to the others.
    """
    settings = options.settings_of(config)
    options.require_cluster(settings)
    if config is not None:
        os.environ["RTREC_CONFIG"] = str(config.absolute())
    if instance is not None:
        os.environ["RTREC_INSTANCE"] = instance
    from rtrec.runtime.cluster.app import run, stage_app  # noqa: PLC0415 - Faust reads sys.argv when it is imported

    run(stage_app(name))
